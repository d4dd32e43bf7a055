"""Notebooks as users of images: whose, which features, which image, and what cannot be read."""

import re

import msgspec
import pytest

from cleanup.errors import AccessDenied, InventoryError
from cleanup.image import Image
from cleanup.in_use import Use
from cleanup.modelarts.http.messages import Request, Response
from cleanup.modelarts.users.kinds import Scope, UserKind
from cleanup.modelarts.users.notebooks import decode_notebook, user_of
from cleanup.modelarts.users.reading import read_users
from cleanup.modelarts.wire.values import Unreadable
from tests.support.stage import Shelf, Stage, asked, error, make_client, make_reading, reply

NOTEBOOKS = UserKind.NOTEBOOKS


class Notebooks:
    """A service with notebooks of ours and of others, in both features and two workspaces."""

    def __init__(self) -> None:
        self.shelves: dict[tuple[str, str, str], list[object]] = {}
        self.refusals: dict[tuple[str, str], Response] = {}

    def put(
        self, *records: object, everybody: bool = True, feature: str = "NOTEBOOK", workspace: str = "0"
    ) -> None:
        for path in ("notebooks/all", "notebooks") if not everybody else ("notebooks/all",):
            self.shelves.setdefault((path, feature, workspace), []).extend(records)

    def __call__(self, request: Request) -> Response:
        query = dict(request.query)
        assert query["workspaceId"] == query["workspace_id"]
        assert query["limit"] == "50"
        assert "status" not in query
        path = request.path.removeprefix("/v1/p1/")
        refusal = self.refusals.get((path, query["feature"])) or self.refusals.get((path, "*"))
        return refusal or Shelf(self.shelves.get((path, query["feature"], query["workspaceId"]), []))(request)


def notebook(name: str, **fields: object) -> dict[str, object]:
    return {"id": name, "name": name, "status": "RUNNING", "image": {"id": f"image-of-{name}"}, **fields}


def users(uses: tuple[Use, ...]) -> list[str]:
    return sorted(use.user.split(" ")[1] for use in uses)


class TestNotebooks:
    def service(self) -> Notebooks:
        service = Notebooks()
        service.put(notebook("mine"), everybody=False)
        service.put(notebook("theirs"), notebook("gone", status="DELETED", image=None))
        service.put(notebook("codelab"), everybody=False, feature="DEFAULT")
        service.put(notebook("elsewhere"), everybody=False, workspace="w1")
        return service

    async def test_everybodys_in_both_features_and_all_workspaces(self) -> None:
        found = await read_users(make_reading(Stage(otherwise=self.service()), NOTEBOOKS), ("0", "w1"))
        assert users(found.in_use.uses) == ["codelab", "elsewhere", "mine", "theirs"]
        assert (found.counts, found.doubts, found.notes) == ({NOTEBOOKS: 4}, (), ())
        assert found.in_use.of(Image(id="IMAGE-OF-THEIRS")) is not None

    async def test_ones_own(self) -> None:
        stage = Stage(otherwise=self.service())
        found = await read_users(make_reading(stage, NOTEBOOKS, scope=Scope.OWN), ("0", "w1"))
        assert users(found.in_use.uses) == ["codelab", "elsewhere", "mine"]
        assert (found.counts, found.doubts) == ({NOTEBOOKS: 3}, ())
        assert not any(request.path.endswith("/all") for request in stage.requests)

    async def test_nobodys(self) -> None:
        stage = Stage()
        found = await read_users(make_reading(stage, NOTEBOOKS, scope=Scope.OFF), ("0",))
        assert (found.in_use.uses, found.counts, found.doubts) == ((), {}, ())

    @pytest.mark.parametrize("status", [403, 404])
    async def test_ones_own_where_others_are_hidden(self, status: int) -> None:
        service = self.service()
        service.refusals["notebooks/all", "*"] = error(status, "ModelArts.0108")
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0", "w1"))
        assert users(found.in_use.uses) == ["codelab", "elsewhere", "mine"]
        assert "modelarts:notebook:listAllNotebooks" in found.doubts[0]
        assert "--in-use own" in found.doubts[0]

    async def test_others_hidden_in_one_feature_are_hidden(self) -> None:
        service = self.service()
        service.refusals["notebooks/all", "DEFAULT"] = error(403, "ModelArts.0108")
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert "modelarts:notebook:listAllNotebooks" in found.doubts[0]
        assert "--in-use own" in found.doubts[0]

    async def test_when_no_notebooks_can_be_read_there_is_no_inventory(self) -> None:
        service = self.service()
        service.refusals["notebooks/all", "*"] = service.refusals["notebooks", "*"] = error(
            403, "ModelArts.0108"
        )
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert found.doubts == (
            "the notebooks of workspace 0 could not be read completely: GET https://modelarts.test/v1/p1/notebooks "
            "answered 403 (ModelArts.0108: no, request id req-403); get the permission modelarts:notebook:list, "
            "or leave them out with --users notebooks --in-use off (`users:` in a targets file)",
        )

    async def test_refused_credentials_end_everything(self) -> None:
        service = self.service()
        service.refusals["notebooks/all", "*"] = error(401, "x")
        with pytest.raises(AccessDenied):
            await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))

    @pytest.mark.parametrize("status", [500, 405, 404])
    @pytest.mark.parametrize("feature", ["*", "DEFAULT"])
    async def test_other_failures_hide_nothing(self, status: int, feature: str) -> None:
        """A 404 that is not the service's own is some proxy's word."""
        service = self.service()
        service.refusals["notebooks/all", feature] = error(status, "x")
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert f"notebooks/all answered {status}" in found.doubts[0]

    @pytest.mark.parametrize("status", [400, 404])
    async def test_a_region_without_codelab(self, status: int) -> None:
        service = self.service()
        service.refusals["notebooks/all", "DEFAULT"] = error(status, "ModelArts.0104")
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert users(found.in_use.uses) == ["mine", "theirs"]
        assert found.doubts == ()
        assert found.notes[0].startswith(
            "workspace 0: no CodeLab notebooks were read, this region has none (GET "
        )

    async def test_the_ordinary_feature_must_be_readable(self) -> None:
        service = self.service()
        service.refusals["notebooks/all", "NOTEBOOK"] = error(400, "ModelArts.0104")
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert re.search(r"NOTEBOOK|answered 400", found.doubts[0])

    async def test_all_pages(self) -> None:
        service = Notebooks()
        service.put(*(notebook(f"n{number}") for number in range(120)))
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert found.counts == {NOTEBOOKS: 120}

    async def test_a_list_that_stays_unclear_is_no_inventory(self) -> None:
        service = Notebooks()
        service.put(*[notebook("same")] * 2)
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert re.search("the NOTEBOOK notebooks of workspace 0 are not clear", found.doubts[0])

    @pytest.mark.parametrize("image", [None, {}, {"name": "trainer"}, "i1"])
    async def test_a_notebook_that_does_not_say_what_it_uses_is_no_inventory(self, image: object) -> None:
        service = Notebooks()
        service.put(notebook("mine"), notebook("vague", image=image))
        found = await read_users(make_reading(Stage(otherwise=service), NOTEBOOKS), ("0",))
        assert re.search(r"vague \(RUNNING\) does not say which image it uses", found.doubts[0])


IMAGE = {"id": "img-1", "name": "trainer", "swr_path": "swr.example.com/ml/trainer:1", "type": "DEDICATED"}


def encoded(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def record(**fields: object) -> msgspec.Raw:
    return encoded({"id": "nb-1", "name": "train-7", "status": "STOPPED", "image": IMAGE, **fields})


class TestRecords:
    def test_a_notebook_uses_an_image_by_id_and_path(self) -> None:
        assert decode_notebook(record()).use == Use(
            user="notebook train-7 (STOPPED)", image_id="img-1", swr_path="swr.example.com/ml/trainer:1"
        )

    @pytest.mark.parametrize(
        "status", ["RUNNING", "FROZEN", "CREATE_FAILED", "DELETING", "SOMETHING_NEW", None, 7]
    )
    def test_all_but_deleted_ones_use_their_image(self, status: object) -> None:
        assert decode_notebook(record(status=status)).use is not None

    @pytest.mark.parametrize("status", ["DELETED", "deleted", "Deleted"])
    def test_deleted_ones_use_nothing(self, status: str) -> None:
        assert decode_notebook(record(status=status, image=None)).use is None

    def test_one_key_is_enough(self) -> None:
        by_path = decode_notebook(record(image={"swr_path": "swr.example.com/ml/trainer:1", "name": "x"})).use
        assert by_path == Use(user="notebook train-7 (STOPPED)", swr_path="swr.example.com/ml/trainer:1")
        by_id = decode_notebook(record(image={"id": "img-1", "swr_path": ""})).use
        assert by_id == Use(user="notebook train-7 (STOPPED)", image_id="img-1")

    def test_a_full_name_is_better_than_nothing(self) -> None:
        by_name = decode_notebook(record(image={"name": "ml/trainer:1"})).use
        assert by_name == Use(user="notebook train-7 (STOPPED)", name="ml/trainer:1")

    @pytest.mark.parametrize(
        "image", [None, {}, [], "img-1", {"name": "trainer"}, {"id": 7}, {"id": "", "name": "a/b"}]
    )
    def test_one_that_does_not_say_is_refused(self, image: object) -> None:
        with pytest.raises(
            Unreadable, match=r"notebook train-7 \(STOPPED\) does not say which image it uses"
        ):
            decode_notebook(record(image=image))

    @pytest.mark.parametrize("body", [b"null", b"[]", b"[1]", b"7", b"", b"[" * 5000])
    def test_what_is_no_notebook_is_refused(self, body: bytes) -> None:
        with pytest.raises(Unreadable):
            decode_notebook(msgspec.Raw(body))

    def test_its_key_is_its_id_or_all_of_it(self) -> None:
        assert decode_notebook(record()).key == "nb-1"
        assert decode_notebook(record(status="DELETED")).key == "nb-1"
        nameless = encoded({"name": "x", "image": IMAGE})
        assert decode_notebook(nameless).key == bytes(nameless).decode()


class TestTheLastLook:
    async def test_it_is_one_request_for_one_image(self) -> None:
        stage = Stage(reply(200, {"data": [notebook("late", image={"id": "i1"})], "total": 1}))
        found = await user_of(make_client(stage), Image(id="i1", workspace_id="w1"))
        assert found == Use(user="notebook late (RUNNING)", image_id="i1")
        assert asked(stage.requests[0]) == {
            "feature": "NOTEBOOK",
            "workspaceId": "w1",
            "workspace_id": "w1",
            "image_id": "i1",
            "limit": "10",
            "offset": "0",
        }

    @pytest.mark.parametrize("records", [[], [{"id": "n", "image": {"id": "another"}}]])
    async def test_who_uses_another_image_does_not_count(self, records: list[object]) -> None:
        stage = Stage(reply(200, {"data": records, "total": len(records)}))
        assert await user_of(make_client(stage), Image(id="i1")) is None

    async def test_a_service_without_this_parameter_says_nothing(self) -> None:
        stage = Stage(error(400, "ModelArts.0104"))
        assert await user_of(make_client(stage), Image(id="i1")) is None

    @pytest.mark.parametrize("answer", [error(403, "x"), reply(200, {"data": [{"id": "n"}]})])
    async def test_what_cannot_be_read_is_an_error(self, answer: Response) -> None:
        with pytest.raises(InventoryError):
            await user_of(make_client(Stage(otherwise=answer)), Image(id="i1"))

"""A table of very many images: rows are put in, columns and images come out."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, count, islice
from operator import attrgetter, itemgetter
from typing import Any, Final, overload

from cleanup.image import Image
from cleanup.image_columns.coded import Coded, Codes, coded, combined, recoded
from cleanup.image_columns.path_start import PathStart, path_start_of
from cleanup.image_columns.row import WORD_PLACES, ImageRow, ImageRows, Words, moment_at
from cleanup.reference import common_key, key_number, odd_tags
from cleanup.spool import Spool

_MOST_TEXTS: Final = 50_000  # that are remembered, of those that may repeat
_AT_ONCE: Final = 500  # rows that are put in together
_REPOSITORY_FIELDS: Final = ("namespace", "name")


class ImageColumns(Sequence[Image]):
    """Images as columns. What is put in are rows, what comes out are images."""

    def __init__(self, rows: Iterable[ImageRow] = ()) -> None:
        self._ids: list[str] = []
        self._tags: list[str | None] = []
        self._repositories: list[PathStart] = []
        self._repository = array("I")
        self._words: list[Words] = []
        self._word = array("I")
        self._descriptions: list[str | None] = []
        self._resource_tags: list[dict[str, str] | None] = []
        self._sizes = array("q")
        self._created = array("q")
        self._updated = array("q")
        self._records = array("q")
        self._odd_paths: dict[int, str | None] = {}  # those that their repository does not tell
        self._unreadable: dict[int, str] = {}
        self._known_words = Codes()
        self._known_repositories = Codes()
        self._known_texts: dict[Any, Any] = {}
        self.extend(rows)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, number: int) -> Image: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[Image, ...]: ...
    def __getitem__(self, number: int | slice) -> Image | tuple[Image, ...]:
        if isinstance(number, slice):
            return tuple(map(self.__getitem__, range(*number.indices(len(self)))))
        if number < 0:
            number += len(self)
        found = self._repositories[self._repository[number]]
        tag, size = self._tags[number], self._sizes[number]
        odd = self._odd_paths
        of_registry, type_, visibility, status, origin, service_type, arch, workspace_id, spool = self._words[
            self._word[number]
        ]
        created, updated = self._created[number], self._updated[number]
        created_at = moment_at(created)
        return Image(
            id=self._ids[number],
            namespace=found.namespace,
            name=found.name,
            tag=tag,
            swr_path=odd.get(number, f"{found.prefix}{tag}") if odd else f"{found.prefix}{tag}",
            swr_instance_id=of_registry,
            type=type_,
            visibility=visibility,
            status=status,
            origin=origin,
            service_type=service_type,
            arch=arch,
            workspace_id=workspace_id,
            description=self._descriptions[number],
            size=size if size >= 0 else None,
            resource_tags=self._resource_tags[number],
            created_at=created_at,
            updated_at=created_at if updated == created else moment_at(updated),
            unreadable=self._unreadable.get(number) if self._unreadable else None,
            record=self._records[number],
            spool=spool,
        )

    def raws(self, numbers: Sequence[int]) -> list[bytes]:
        """The records of images as the API sent them. Raises InventoryError where they are not there any more."""
        words, found = self._words, dict[int, bytes]()
        by_spool: defaultdict[Spool, list[int]] = defaultdict(list)
        for number, word in zip(numbers, map(self._word.__getitem__, numbers), strict=True):
            by_spool[words[word][-1]].append(number)
        for spool, some in by_spool.items():
            found |= zip(some, spool.read([self._records[number] for number in some]), strict=True)
        return [found[number] for number in numbers]

    def __iter__(self) -> Iterator[Image]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ImageColumns)
            and len(self) == len(other)
            and all(map(Image.__eq__, self, other))
        )

    __hash__ = None  # type: ignore[assignment]

    def extend(self, rows: Iterable[ImageRow]) -> None:
        """Put images at the end."""
        if isinstance(rows, ImageRows):
            self._put(rows)
            return
        rest = iter(rows)
        while some := list(islice(rest, _AT_ONCE)):
            self._put(ImageRows.of(some))

    def _put(self, rows: ImageRows) -> None:
        first = len(self._ids)
        self._ids += rows.ids
        self._tags += rows.tags
        self._repository.extend(self._repositories_of(rows, first))
        self._word.extend(self._words_of(rows))
        self._descriptions += self._shared(rows.descriptions)
        self._resource_tags += map(self._shared_tags, rows.resource_tags)
        self._sizes.extend(rows.sizes)
        self._created.extend(rows.created)
        self._updated.extend(rows.updated)
        self._records.extend(rows.records)
        if any(rows.unreadable):
            self._unreadable |= {first + n: why for n, why in enumerate(rows.unreadable) if why is not None}

    def __setitem__(self, number: int, row: ImageRow) -> None:
        """Put one image in the place of another."""
        rows = ImageRows.of([row])
        self._odd_paths.pop(number, None)
        self._unreadable.pop(number, None)
        self._ids[number] = row.id
        self._tags[number] = row.tag
        (self._repository[number],) = self._repositories_of(rows, number)
        (self._word[number],) = self._words_of(rows)
        (self._descriptions[number],) = self._shared(rows.descriptions)
        self._resource_tags[number] = self._shared_tags(row.resource_tags)
        self._sizes[number], self._records[number] = row.size, row.record
        self._created[number], self._updated[number] = row.created, row.updated
        if row.unreadable is not None:
            self._unreadable[number] = row.unreadable

    def row(self, number: int) -> ImageRow:
        """One image, for another table."""
        found = self._repositories[self._repository[number]]
        tag = self._tags[number]
        return ImageRow(
            id=self._ids[number],
            namespace=found.namespace,
            name=found.name,
            tag=tag,
            swr_path=self._odd_paths.get(number, f"{found.prefix}{tag}"),
            words=self._words[self._word[number]],
            description=self._descriptions[number],
            size=self._sizes[number],
            resource_tags=self._resource_tags[number],
            created=self._created[number],
            updated=self._updated[number],
            record=self._records[number],
            unreadable=self._unreadable.get(number),
        )

    def rows(self) -> Iterator[ImageRow]:
        return map(self.row, range(len(self)))

    def merged(self, others: "ImageColumns") -> "ImageColumns":
        """These images and others; one that is in both stays in its place, as the others have it."""
        if not self:
            return others
        numbers = {id_: number for number, id_ in enumerate(self._ids)}
        new = []
        for row in others.rows():
            if (number := numbers.get(row.id)) is None:
                new.append(row)
            else:
                self[number] = row
        self.extend(new)
        return self

    def _repositories_of(self, rows: ImageRows, first: int) -> list[int]:
        """The numbers of the rows' repositories; paths that these do not tell are kept, by the image's number."""
        known, starts = self._known_repositories, self._repositories
        found = list(map(known.__getitem__, zip(rows.namespaces, rows.names, strict=True)))
        if len(known) > len(starts):
            for code, row in zip(
                found, zip(rows.namespaces, rows.names, rows.tags, rows.swr_paths, strict=True), strict=True
            ):
                if code == len(starts):
                    starts.append(path_start_of(*row))
        told = [f"{starts[code].prefix}{tag}" for code, tag in zip(found, rows.tags, strict=True)]
        if told != rows.swr_paths:
            both = enumerate(zip(told, rows.swr_paths, strict=True), first)
            self._odd_paths |= {number: path for number, (one, path) in both if path != one}
        return found

    def _words_of(self, rows: ImageRows) -> list[int]:
        found = list(map(self._known_words.__getitem__, rows.words))
        self._words += islice(self._known_words, len(self._words), None)
        return found

    def _shared(self, texts: Sequence[str | None]) -> Iterator[str | None]:
        """The same texts, one object for all that are equal as long as they are not too many."""
        known = self._known_texts
        return map(known.setdefault if len(known) < _MOST_TEXTS else known.get, texts, texts)

    def _shared_tags(self, tags: dict[str, str] | None) -> dict[str, str] | None:
        if tags is None:
            return None
        known, key = self._known_texts, tuple(tags.items())
        found: dict[str, str] = (known.setdefault if len(known) < _MOST_TEXTS else known.get)(key, tags)
        return found

    def column(self, name: str) -> Sequence[Any]:
        """The values of one field, in the order of the images."""
        match name:
            case "id":
                return self._ids
            case "tag":
                return self._tags
            case "description":
                return self._descriptions
            case "resource_tags":
                return self._resource_tags
            case "size":
                return [size if size >= 0 else None for size in self._sizes]
            case "namespace" | "name":
                values = list(map(attrgetter(name), self._repositories))
                return list(map(values.__getitem__, self._repository))
            case "swr_path":
                return [*self._paths()]
            case _ if name in WORD_PLACES:
                values = list(map(itemgetter(WORD_PLACES[name]), self._words))
                return list(map(values.__getitem__, self._word))
            case _:
                return list(map(attrgetter(name), self))

    def _paths(self) -> Iterator[str | None]:
        prefixes = [one.prefix for one in self._repositories]
        odd = self._odd_paths
        for number, (repository, tag) in enumerate(zip(self._repository, self._tags, strict=True)):
            yield odd[number] if number in odd else f"{prefixes[repository]}{tag}"

    def key_numbers(self) -> "array[int]":
        """The `key_number` of the `common_key` of each path."""
        starts = [one.key.removesuffix(":") for one in self._repositories]
        found = array("q", map(hash, zip(map(starts.__getitem__, self._repository), self._tags, strict=True)))
        bare = {code for code, start in enumerate(starts) if not start}
        for number in {*self._odd_paths, *odd_tags(self._tags), *self._of_repositories(bare)}:
            row = self.row(number)
            found[number] = key_number(common_key(row.swr_path, row.namespace))
        return found

    def untold(self) -> Iterator[int]:
        """The numbers of the images whose path, were its tag a common one, need not be what their fields say."""
        told = (one.key == f"{one.namespace}/{one.name}:" for one in self._repositories)
        yield from self._odd_paths
        yield from self._of_repositories({code for code, same in enumerate(told) if not same})

    def _of_repositories(self, some: set[int]) -> Iterator[int]:
        """The numbers of the images of some repositories; mostly there are none."""
        return compress(count(), map(some.__contains__, self._repository)) if some else iter(())

    def codes(self, names: Sequence[str], numbers: Sequence[int] | None = None) -> "Coded":
        """What the images, or those of the numbers, are in these fields, taken together."""
        parts: dict[str, Coded] = {}
        # Fields of one kind are one part, named by the first of them; a part says its fields in the order of names.
        if of_words := [name for name in names if name in WORD_PLACES]:
            values = [tuple(words[WORD_PLACES[name]] for name in of_words) for words in self._words]
            parts[" ".join(of_words)] = recoded(_of(self._word, numbers), values)
        if of_both := [name for name in names if name in _REPOSITORY_FIELDS]:
            values = list(zip(*(map(attrgetter(name), self._repositories) for name in of_both), strict=True))
            own = _of(self._repository, numbers)
            parts[" ".join(of_both)] = Coded(own, values) if len(of_both) == 2 else recoded(own, values)
        for name in names:
            if name not in of_words and name not in of_both and (name != "unreadable" or self._unreadable):
                parts[name] = coded((value,) for value in _of(self.column(name), numbers))
        together = combined(list(parts.values()), len(self) if numbers is None else len(numbers))
        if (order := " ".join(parts).split()) == list(names):
            return together
        places = [order.index(name) if name in order else None for name in names]
        values = [tuple(None if place is None else one[place] for place in places) for one in together.values]
        return Coded(together.codes, values)

    def moments(self, name: str) -> "array[int]":
        """Microseconds since 1970, 0 where the time is not known."""
        return self._created if name == "created_at" else self._updated


def _of(values: Sequence[Any], numbers: Sequence[int] | None) -> Sequence[Any]:
    """The values, or those at some places."""
    return values if numbers is None else list(map(values.__getitem__, numbers))

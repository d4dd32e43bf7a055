"""deploy/kubernetes/: what each overlay builds is valid, restricted, a dry run but for one, ends itself."""

import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from cleanup.config.targets import make_targets, parse_shard, read_targets_file, shard_of
from cleanup.durations import parse_duration
from cleanup.errors import PolicyError
from cleanup.policy import load
from tests.support import command_lines
from tests.support.cloud import Cli, Serve
from tests.support.manifests import KUBERNETES, TELLING, Manifests, needs_kustomize

pytestmark = needs_kustomize

OVERLAYS = ["dry-run", "apply", "fleet"]
overlays = pytest.mark.parametrize("overlay", OVERLAYS)
components = pytest.mark.parametrize("component", ["run", "tidy"])


def of(overlay: str) -> Manifests:
    return Manifests(KUBERNETES / "overlays" / overlay)


def own_overlay(folder: Path, text: str, name: str = "own") -> Manifests:
    """What a user's own overlay would build beside ours, or in the place of one."""
    shutil.copytree(KUBERNETES, folder / "kubernetes")
    own = folder / "kubernetes" / "overlays" / name
    own.mkdir(exist_ok=True)
    (own / "kustomization.yaml").write_text(text)
    return Manifests(own)


def option(name: str, overlay: str) -> timedelta:
    args = of(overlay).container()["args"]
    return parse_duration(args[args.index(name) + 1])


# ---- valid


@overlays
@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
def test_kubernetes_accepts_every_object(overlay: str, version: str) -> None:
    for one in of(overlay).objects:
        assert kubernetes_validate.validate(one, version, strict=True) == version


def test_the_validation_would_notice_a_key_that_is_misspelt() -> None:
    wrong = of("dry-run").cronjob() | {"spek": {}}
    with pytest.raises(kubernetes_validate.ValidationError, match="spek"):
        kubernetes_validate.validate(wrong, "1.33", strict=True)


def test_the_secret_is_accepted_and_empty_and_in_no_overlay() -> None:
    secret = yaml.safe_load((KUBERNETES / "secret.yaml").read_text())
    kubernetes_validate.validate(secret, "1.33", strict=True)
    assert secret["stringData"] == {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
    for overlay in OVERLAYS:
        assert of(overlay).every("Secret") == []
        named = [one["secretRef"]["name"] for one in of(overlay).container()["envFrom"] if "secretRef" in one]
        assert named == [secret["metadata"]["name"]]
        assert of(overlay).cronjob()["metadata"]["namespace"] == secret["metadata"]["namespace"]


@overlays
def test_every_object_is_in_the_namespace_and_every_name_leads_to_one(overlay: str) -> None:
    manifests = of(overlay)
    [namespace] = manifests.every("Namespace")
    others = [one for one in manifests.objects if one["kind"] != "Namespace"]
    assert {one["metadata"]["namespace"] for one in others} == {namespace["metadata"]["name"]}
    names = {(one["kind"], one["metadata"]["name"]) for one in others}
    for component in ("run", "tidy"):
        for volume in manifests.pod(component)["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
    assert bool(manifests.settings()) == (overlay != "fleet")


def test_the_fleet_takes_no_name_of_the_others() -> None:
    def names(overlay: str) -> set[tuple[str, str]]:
        return {(one["kind"], one["metadata"]["name"]) for one in of(overlay).objects}

    assert names("dry-run") == names("apply")  # one takes the place of the other
    assert names("fleet") & names("apply") == {("Namespace", "image-cleanup")}


# ---- a dry run, but for one


@overlays
@components
def test_the_command_lines_are_ones_that_exist(overlay: str, component: str) -> None:
    command_lines.check(of(overlay).container(component)["args"])


@overlays
def test_only_the_overlay_that_says_so_deletes(overlay: str) -> None:
    args = of(overlay).container()["args"]
    assert args[:3] == ["run", "-p", "/policies"]
    assert ("--apply" in args, "--yes" in args) == (overlay == "apply", overlay == "apply")


def test_apply_differs_from_the_dry_run_in_that_alone() -> None:
    for dry, real in zip(of("dry-run").objects, of("apply").objects, strict=True):
        if dry == of("dry-run").cronjob():
            continue
        assert dry == real
    args = of("dry-run").container()["args"]
    assert of("apply").container() == of("dry-run").container() | {"args": [*args, "--apply", "--yes"]}


def test_a_fleet_deletes_with_the_two_lines_that_are_comments_in_it(tmp_path: Path) -> None:
    written = (KUBERNETES / "overlays" / "fleet" / "kustomization.yaml").read_text()
    lines = re.sub(r"^# (components:|  - \.\./\.\./components/delete)", r"\1", written, flags=re.MULTILINE)
    manifests = own_overlay(tmp_path, lines, "fleet")
    args = manifests.container()["args"]
    command_lines.check(args)
    assert {"--apply", "--yes"} <= set(args)
    assert manifests.container("tidy") == of("fleet").container("tidy")


@pytest.mark.parametrize("overlay", ["dry-run", "apply"])
def test_what_the_pod_runs_does_what_the_overlay_is_called(
    overlay: str, cli: Cli, serve_cloud: Serve, tmp_path: Path
) -> None:
    cloud = serve_cloud(images=400)
    policies, data = of(overlay).mounted("/policies", tmp_path / "policies"), tmp_path / "data"
    policy = policies / "policy.yaml"
    policy.write_text(policy.read_text().replace("sandbox-*", "sandbox*"))  # the simulator has one `sandbox`
    data.mkdir()
    os.chdir(data)
    args = [str(policies) if word == "/policies" else word for word in of(overlay).container()["args"]]
    called = cli(*args, *cloud.options)
    assert called.exit_code == 0, called.output
    assert bool(cloud.deleted) == (overlay == "apply")
    left = sorted("".join(path.suffixes) for path in data.iterdir())
    assert left == ([".jsonl", ".plan.jsonl"] if overlay == "apply" else [])
    tidy = ["." if word == "/data" else word for word in of(overlay).container("tidy")["args"]]
    assert cli(*tidy).exit_code == 0
    assert len(list(data.iterdir())) == len(left)


def test_the_pod_ends_with_exit_code_2_until_it_is_filled_in(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = of("dry-run").mounted("/policies", tmp_path / "policies")
    for name, text in of("dry-run").settings().items():
        monkeypatch.setenv(name, text)
    called = cli("run", "-p", policies)
    assert called.exit_code == 2
    assert "HUAWEICLOUD_REGION is set but empty" in called.stderr


# ---- restricted


@overlays
@components
def test_the_pod_can_do_nothing_but_its_work(overlay: str, component: str) -> None:
    """What the Pod Security standard `restricted` asks for, and more."""
    pod, container = of(overlay).pod(component), of(overlay).container(component)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
    assert kinds <= {"configMap", "persistentVolumeClaim", "emptyDir"}
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"].keys() >= {"cpu", "memory"}


@overlays
def test_the_namespace_refuses_pods_that_can_do_more(overlay: str) -> None:
    [namespace] = of(overlay).every("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@overlays
def test_the_network_is_closed_but_for_names_and_https(overlay: str) -> None:
    none, run = of(overlay).every("NetworkPolicy")
    assert none["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert run["spec"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "run"}
    assert run["spec"]["policyTypes"] == ["Egress"]
    ports = {(port["protocol"], port["port"]) for rule in run["spec"]["egress"] for port in rule["ports"]}
    assert ports == {("UDP", 53), ("TCP", 53), ("TCP", 443)}
    for component in ("run", "tidy"):
        labels = of(overlay).job(component)["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == component


# ---- one run at a time, which ends itself


@overlays
def test_one_run_at_a_time_and_none_repeated(overlay: str) -> None:
    spec, job = of(overlay).cronjob()["spec"], of(overlay).job()
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 10  # Kubernetes looks every 10 seconds
    assert of(overlay).pod()["restartPolicy"] == "Never"
    retries = {key: job[key] for key in job if key.startswith("backoffLimit")}
    assert retries == {"backoffLimitPerIndex" if overlay == "fleet" else "backoffLimit": 0}


@overlays
def test_the_run_ends_itself_before_kubernetes_ends_it(overlay: str) -> None:
    deadline, drain = option("--deadline", overlay), option("--drain-timeout", overlay)
    start = timedelta(minutes=5)  # of a pod whose image must be fetched
    assert start + deadline + drain + TELLING < timedelta(seconds=of(overlay).job()["activeDeadlineSeconds"])
    assert drain + TELLING < timedelta(seconds=of(overlay).pod()["terminationGracePeriodSeconds"])


# ---- what it reads and leaves


@overlays
def test_journals_survive_the_pod_and_are_tidied(overlay: str) -> None:
    """The folder of the journals is the one in which the next run looks for unfinished ones."""
    [claim] = of(overlay).every("PersistentVolumeClaim")
    for component in ("run", "tidy"):
        mounts = {mount["name"]: mount for mount in of(overlay).container(component)["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in of(overlay).pod(component)["volumes"]}
        assert of(overlay).container(component)["workingDir"] == mounts["data"]["mountPath"] == "/data"
        assert not mounts["data"].get("readOnly")
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert of(overlay).pod(component)["securityContext"]["fsGroup"] > 0
    assert "--journal" not in of(overlay).container()["args"]
    assert of(overlay).container("tidy")["args"] == ["journals", "tidy", "/data", "--keep", "90d"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany" if overlay == "fleet" else "ReadWriteOnce"]


@overlays
def test_the_policy_is_valid_where_kubernetes_mounts_it(overlay: str, tmp_path: Path) -> None:
    """No rule may be read twice."""
    policy = load([of(overlay).mounted("/policies", tmp_path / "policies")])
    assert [rule.name for rule in policy.rules] == ["failed-builds", "stale-dev-images"]
    assert policy.protect
    assert not any(rule.force or rule.delete_all for rule in policy.rules)
    assert all(rule.older_than for rule in policy.rules)
    assert (policy.limits.max_deletes, policy.limits.max_percent) == (50, 10)


def test_what_must_be_filled_in_is_empty() -> None:
    """An empty variable ends the run with exit 2, before any request."""
    assert of("dry-run").settings() == {"HUAWEICLOUD_REGION": "", "HUAWEICLOUD_SDK_PROJECT_ID": ""}


# ---- the fleet


def test_the_fleet_ends_with_exit_code_2_until_it_is_filled_in(tmp_path: Path) -> None:
    file = of("fleet").mounted("/targets", tmp_path / "targets") / "targets.yaml"
    with pytest.raises(PolicyError, match="text is empty") as caught:
        make_targets(read_targets_file(file), {})
    written = file.read_text()
    assert len(caught.value.problems) == written.count('""') == written.count("FILL IN")


def filled_in(folder: Path) -> Any:
    file = of("fleet").mounted("/targets", folder / "targets") / "targets.yaml"
    file.write_text(file.read_text().replace('""', "0a1b" * 8))
    return make_targets(read_targets_file(file), {})


def test_every_target_of_the_fleet_names_its_own_keys(tmp_path: Path) -> None:
    targets = filled_in(tmp_path)
    names = {name for t in targets for name in (t.credentials.ak_env, t.credentials.sk_env)}
    assert None not in names
    assert len(names) == 2 * len(targets)


def shares_of(targets: Any, manifests: Manifests) -> list[Any]:
    """What each pod takes, by the environment that it gets."""
    environment = {one["name"]: one["value"] for one in manifests.container()["env"]}
    return [
        shard_of(targets, *parse_shard(None, environment | {"JOB_COMPLETION_INDEX": str(index)}))
        for index in range(manifests.job()["completions"])
    ]


@pytest.mark.parametrize("pods", [1, 5])
def test_another_number_of_pods_is_said_in_one_place(pods: int, tmp_path: Path) -> None:
    """Else targets would have no pod, and nobody would be told."""
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    fleet = tmp_path / "kubernetes" / "overlays" / "fleet"
    written = (fleet / "indexed.yaml").read_text()
    (fleet / "indexed.yaml").write_text(written.replace("completions: 2 ", f"completions: {pods} "))
    manifests, targets = Manifests(fleet), filled_in(tmp_path)
    assert manifests.job()["completions"] == manifests.job()["parallelism"] == pods
    taken = [target.name for share in shares_of(targets, manifests) for target in share]
    assert sorted(taken) == sorted(target.name for target in targets)


def test_the_fleets_pods_take_every_target_once(tmp_path: Path) -> None:
    targets, job = filled_in(tmp_path), of("fleet").job()
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] <= job["completions"]
    assert of("fleet").settings() == {}
    shares = shares_of(targets, of("fleet"))
    assert all(shares)
    assert sorted(target.name for share in shares for target in share) == sorted(t.name for t in targets)
    args = of("fleet").container()["args"]
    assert args[args.index("--targets") + 1] == "/targets/targets.yaml"


# ---- metrics


@pytest.mark.parametrize("overlay", ["apply", "fleet"])
def test_metrics_go_to_a_gateway_that_the_network_lets_through(overlay: str, tmp_path: Path) -> None:
    own = f"resources: [../{overlay}]\ncomponents: [../../components/pushgateway]\n"
    manifests = own_overlay(tmp_path, own)
    args = manifests.container()["args"]
    command_lines.check(args)
    port = urlsplit(args[args.index("--pushgateway") + 1]).port
    _, run = manifests.every("NetworkPolicy")
    assert run["spec"]["egress"][-1] == {"ports": [{"protocol": "TCP", "port": port}]}
    assert manifests.container("tidy") == of(overlay).container("tidy")


# ---- logging in without a secret


def test_a_pod_can_log_in_by_its_own_account(tmp_path: Path) -> None:
    manifests = own_overlay(tmp_path, "resources: [../apply]\ncomponents: [../../components/pod-identity]\n")
    for one in manifests.objects:
        kubernetes_validate.validate(one, "1.33", strict=True)
    [account] = manifests.every("ServiceAccount")
    container = manifests.container()
    assert manifests.pod()["serviceAccountName"] == account["metadata"]["name"]
    assert manifests.pod()["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in manifests.pod("tidy")
    assert [list(one) for one in container["envFrom"]] == [["configMapRef"]]
    assert manifests.settings().keys() == {"HUAWEICLOUD_REGION", "HUAWEICLOUD_SDK_PROJECT_ID"}
    environment = {one["name"]: one["value"] for one in container["env"]}
    mount = next(one for one in container["volumeMounts"] if one["name"] == "identity")
    token = next(one for one in manifests.pod()["volumes"] if one["name"] == "identity")
    [source] = token["projected"]["sources"]
    path = f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    assert environment["HUAWEICLOUD_OIDC_TOKEN_FILE"] == path
    assert container["args"][-2:] == ["--apply", "--yes"]

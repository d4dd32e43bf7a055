"""The permissions by name, as policy documents that can be pasted (API.md, Permissions)."""

from itertools import chain
from types import MappingProxyType

from cleanup.modelarts.users.kinds import PERMISSIONS, UserKind

OWN_NOTEBOOKS, ALL_NOTEBOOKS = PERMISSIONS[UserKind.NOTEBOOKS]
LIST_IMAGES, GET_IMAGE = "modelarts:image:list", "modelarts:image:get"

_READ = (
    LIST_IMAGES,
    GET_IMAGE,
    *dict.fromkeys(chain.from_iterable(PERMISSIONS.values())),
    "modelarts:workspace:list",
    "modelarts:workspace:get",
)
_DELETE = (
    "modelarts:image:delete",
    "modelarts:image:listGroup",
    "swr:repo:listRepoTags",
    "swr:repo:deleteRepoTag",
    "swr:repository:getTag",
    "swr:repository:deleteTag",
)
_RESTORE = (
    "modelarts:image:register",
    "modelarts:image:listGroup",
    "modelarts:image:updateGroup",
    "swr:repo:listRepos",
    "swr:repo:listRepoTags",
    "swr:repo:getRepo",
    "swr:repo:getRepoDomain",
    "swr:repo:createRepoDomain",
    "swr:repository:listRepositories",
    "swr:repository:listArtifacts",
    "swr:repository:getTag",
)


def _document(actions: tuple[str, ...]) -> dict[str, object]:
    return {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": list(actions)}]}


# Custom policies of IAM (fine-grained, 1.1). Whoever deletes or restores reads, too.
POLICIES = MappingProxyType(
    {"read": _document(_READ), "delete": _document(_DELETE), "restore": _document(_RESTORE)}
)
IDENTITY_POLICIES = (
    "custom policies of IAM, version 1.1; swr:repository:* is for enterprise SWR only. Identity policies "
    "(version 5.0) know modelarts:image:list, get, register and delete and modelarts::listServices (two colons), "
    "and listing all notebooks needs none there; not every module knows them yet, so attach the 1.1 policy beside "
    "them. An IAM user without any fine-grained policy has all permissions of ModelArts"
)

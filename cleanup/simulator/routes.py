"""The API at a glance: the name, method and path of every call; whatever else is asked is `other`."""

from enum import StrEnum


class Operation(StrEnum):
    """The calls that the simulator answers, by the names that faults are given for."""

    LIST = "list"
    SHOW = "show"
    DELETE = "delete"
    REGISTER = "register"
    GROUPS = "groups"
    UPDATE_GROUP = "update-group"
    NOTEBOOKS = "notebooks"
    ALL_NOTEBOOKS = "all-notebooks"
    WORKSPACES = "workspaces"
    JOBS = "jobs"
    ALGORITHMS = "algorithms"
    MODELS = "models"
    MODEL = "model"
    SERVICES_V1 = "services-v1"
    SERVICE_V1 = "service-v1"
    SERVICES = "services"
    SERVICE = "service"
    DEPLOYMENTS = "deployments"
    DEPLOYMENT = "deployment"
    VERSIONS = "versions"
    VERSION = "version"
    WORKFLOWS = "workflows"
    WORKFLOW = "workflow"
    CONTENT = "content"
    TOKEN = "token"  # noqa: S105 - the name of a call, not a secret
    OTHER = "other"


_SERVICE = "/v2/{project_id}/services/{id}"
_DEPLOYMENT = _SERVICE + "/deployments/{deployment_id}"
ROUTES = (
    ("GET", "/v1/{project_id}/images", Operation.LIST),
    ("POST", "/v1/{project_id}/images", Operation.REGISTER),
    ("GET", "/v1/{project_id}/images/group", Operation.GROUPS),
    ("PUT", "/v1/{project_id}/images/group/{id}", Operation.UPDATE_GROUP),
    ("GET", "/v1/{project_id}/images/{image_id}", Operation.SHOW),
    ("DELETE", "/v1/{project_id}/images/{image_id}", Operation.DELETE),
    ("GET", "/v1/{project_id}/notebooks", Operation.NOTEBOOKS),
    ("GET", "/v1/{project_id}/notebooks/all", Operation.ALL_NOTEBOOKS),
    ("GET", "/v1/{project_id}/workspaces", Operation.WORKSPACES),
    ("POST", "/v2/{project_id}/training-job-searches", Operation.JOBS),
    ("GET", "/v2/{project_id}/algorithms", Operation.ALGORITHMS),
    ("GET", "/v1/{project_id}/models", Operation.MODELS),
    ("GET", "/v1/{project_id}/models/{id}", Operation.MODEL),
    ("GET", "/v1/{project_id}/services", Operation.SERVICES_V1),
    ("GET", "/v1/{project_id}/services/{id}", Operation.SERVICE_V1),
    ("GET", "/v2/{project_id}/services", Operation.SERVICES),
    ("GET", _SERVICE, Operation.SERVICE),
    ("GET", _SERVICE + "/deployments", Operation.DEPLOYMENTS),
    ("GET", _DEPLOYMENT, Operation.DEPLOYMENT),
    ("GET", _DEPLOYMENT + "/versions", Operation.VERSIONS),
    ("GET", _DEPLOYMENT + "/versions/{version}", Operation.VERSION),
    ("GET", "/v2/{project_id}/workflows", Operation.WORKFLOWS),
    ("GET", "/v2/{project_id}/workflows/{id}", Operation.WORKFLOW),
    ("GET", "/v2/manage/namespaces/{namespace}/repos/{repository}/tags/{tag}", Operation.CONTENT),
    ("POST", "/v3/auth/tokens", Operation.TOKEN),
    ("*", "/{path:.*}", Operation.OTHER),
)
LISTS = frozenset(
    {
        Operation.LIST,
        Operation.GROUPS,
        Operation.NOTEBOOKS,
        Operation.ALL_NOTEBOOKS,
        Operation.WORKSPACES,
        Operation.JOBS,
        Operation.ALGORITHMS,
        Operation.MODELS,
        Operation.SERVICES_V1,
        Operation.SERVICES,
        Operation.DEPLOYMENTS,
        Operation.VERSIONS,
        Operation.WORKFLOWS,
    }
)

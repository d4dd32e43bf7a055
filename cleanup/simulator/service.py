"""The simulated service without HTTP: a call in, a response out."""

from collections.abc import Callable, Mapping

import msgspec

from cleanup.simulator import images, notebooks, registry, workspaces
from cleanup.simulator.messages import ApiResponse, Call, error_response
from cleanup.simulator.parameters import ParameterError
from cleanup.simulator.project import Project, WorkspaceClosed
from cleanup.simulator.routes import Operation
from cleanup.simulator.users import algorithms, jobs, models, services, workflows

_HANDLERS: Mapping[Operation, Callable[[Project, Call], ApiResponse]] = {
    Operation.LIST: images.list_images,
    Operation.SHOW: images.show_image,
    Operation.DELETE: images.delete_image,
    Operation.REGISTER: images.register_image,
    Operation.GROUPS: images.list_groups,
    Operation.UPDATE_GROUP: images.update_group,
    Operation.NOTEBOOKS: notebooks.list_own,
    Operation.ALL_NOTEBOOKS: notebooks.list_all,
    Operation.WORKSPACES: workspaces.list_workspaces,
    Operation.JOBS: jobs.search_jobs,
    Operation.ALGORITHMS: algorithms.list_algorithms,
    Operation.MODELS: models.list_models,
    Operation.MODEL: models.show_model,
    Operation.SERVICES_V1: models.list_services,
    Operation.SERVICE_V1: models.show_service,
    Operation.SERVICES: services.list_services,
    Operation.SERVICE: services.show_service,
    Operation.DEPLOYMENTS: services.list_deployments,
    Operation.DEPLOYMENT: services.show_deployment,
    Operation.VERSIONS: services.list_versions,
    Operation.VERSION: services.show_version,
    Operation.WORKFLOWS: workflows.list_workflows,
    Operation.WORKFLOW: workflows.show_workflow,
    Operation.CONTENT: registry.show_tag,
}


class Service(Project):
    """A project that answers the calls of the API."""

    def handle(self, call: Call, after: float | None = None) -> ApiResponse:
        """Do what one call asks and answer it as the service would; a deletion may be done seconds `after` it."""
        self.settle()
        if call.operation not in _HANDLERS or call.operation in self.absent:
            return error_response(404, "APIG.0101", "The API does not exist or has not been published.")
        if call.parts.get("project_id", self.project_id) != self.project_id:
            return error_response(403, "ModelArts.0210", "The project id in the URL and in the token differ.")
        if call.operation in self.forbidden:
            return error_response(403, "ModelArts.0108", f"Not authorized for {call.operation}.")
        try:
            if call.operation is Operation.DELETE:
                return images.delete_image(self, call, after)
            return _HANDLERS[call.operation](self, call)
        except WorkspaceClosed as closed:
            text = f"Policy doesn't allow {call.operation} in workspace {closed}."
            return error_response(403, "ModelArts.0112", text)
        except ParameterError as bad:
            return error_response(400, bad.code, str(bad))
        except msgspec.DecodeError:
            return error_response(400, "ModelArts.0107", "The request body is not valid JSON.")

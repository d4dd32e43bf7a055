"""The simulated service without HTTP: a call in, a response out."""

from collections.abc import Callable, Mapping

import msgspec

from cleanup.simulator import images, notebooks
from cleanup.simulator.messages import ApiResponse, Call, error_response
from cleanup.simulator.parameters import ParameterError
from cleanup.simulator.project import Project
from cleanup.simulator.routes import Operation

_HANDLERS: Mapping[Operation, Callable[[Project, Call], ApiResponse]] = {
    Operation.LIST: images.list_images,
    Operation.SHOW: images.show_image,
    Operation.DELETE: images.delete_image,
    Operation.REGISTER: images.register_image,
    Operation.NOTEBOOKS: notebooks.list_own,
    Operation.ALL_NOTEBOOKS: notebooks.list_all,
}


class Service(Project):
    """A project that answers the calls of the API."""

    def handle(self, call: Call) -> ApiResponse:
        """Do what one call asks and answer it as the service would."""
        if call.operation not in _HANDLERS:
            return error_response(404, "APIG.0101", "The API does not exist or has not been published.")
        if call.parts["project_id"] != self.project_id:
            return error_response(403, "ModelArts.0210", "The project id in the URL and in the token differ.")
        try:
            return _HANDLERS[call.operation](self, call)
        except ParameterError as bad:
            return error_response(400, bad.code, str(bad))
        except msgspec.DecodeError:
            return error_response(400, "ModelArts.0107", "The request body is not valid JSON.")

"""AI applications (models) and their services of the v1 API: lists without the image, details with it."""

from cleanup.simulator.messages import ApiResponse, Call, Record, json_response
from cleanup.simulator.parameters import in_order, not_found, numbered_page
from cleanup.simulator.project import Project

_DETAILS_OF_MODELS = ("source_location", "config", "image_address")


def list_models(project: Project, call: Call) -> ApiResponse:
    """One page of models, which does not say where their images are; `offset` is a page number."""
    found = project.of_workspace(project.models, call.query.get("workspace_id", "0"))
    for name in ("model_type", "model_status", "model_version"):
        if name in call.query:
            found = [model for model in found if model[name] == call.query[name]]
    found = [model for model in found if call.query.get("model_name", "") in model["model_name"]]
    found = in_order(found, call.query, lambda model: model["create_at"])
    briefs = [_without(model, _DETAILS_OF_MODELS) for model in found]
    return json_response(200, numbered_page("models", briefs, call.query))


def show_model(project: Project, call: Call) -> ApiResponse:
    """One model with its `source_location`."""
    model = project.models.get(call.parts["id"])
    return not_found("model", call.parts["id"]) if model is None else json_response(200, model)


def list_services(project: Project, call: Call) -> ApiResponse:
    """One page of services, which does not say which models they serve; `offset` is a page number."""
    found = project.of_workspace(project.services_v1, call.query.get("workspace_id", "0"))
    model_id = call.query.get("model_id")
    if model_id is not None:
        found = [one for one in found if model_id in (part["model_id"] for part in one["config"])]
    found = in_order(found, call.query, lambda service: service["start_time"])
    briefs = [_without(service, ("config",)) for service in found]
    return json_response(200, numbered_page("services", briefs, call.query))


def show_service(project: Project, call: Call) -> ApiResponse:
    """One service with the models in its `config`."""
    service = project.services_v1.get(call.parts["id"])
    return not_found("service", call.parts["id"]) if service is None else json_response(200, service)


def _without(record: Record, names: tuple[str, ...]) -> Record:
    return {name: value for name, value in record.items() if name not in names}

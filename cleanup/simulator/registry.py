"""What SWR's basic edition says about one tag, so that one can see whether content is still there."""

from cleanup.simulator.messages import ApiResponse, Call, json_response
from cleanup.simulator.project import Project
from cleanup.simulator.references import INTERNAL_HOST, content_key, digest_of

_MISSING = {
    "namespace": ("SVCSTG.SWR.4040058", "The organization does not exist."),
    "repository": ("SVCSTG.SWR.4040010", "The image does not exist."),
    "tag": ("SVCSTG.SWR.4040048", "The image tag does not exist."),
}


def show_tag(project: Project, call: Call) -> ApiResponse:
    """One tag. A `/` in the repository's name is sent as `$`; errors are a JSON array."""
    repository = f"{call.parts['namespace']}/{call.parts['repository'].replace('$', '/')}"
    reference = f"{repository}:{call.parts['tag']}"
    if reference in project.contents:
        key = content_key(reference)
        moment = project.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        tag = {
            "Tag": call.parts["tag"],
            "digest": digest_of(key),
            "size": project.contents[reference],
            "path": project.contents.spelling(reference),
            "internal_path": f"{INTERNAL_HOST}/{reference}",
            "created": moment,
            "updated": moment,
            "tag_type": 0,
        }
        return json_response(200, tag)
    held = [content_key(path)[0] for path in project.contents]
    missing = "tag" if repository in held else "repository"
    if not any(each.startswith(f"{call.parts['namespace']}/") for each in held):
        missing = "namespace"
    code, message = _MISSING[missing]
    return json_response(404, [{"errorCode": code, "errorMessage": message, "detail": ""}])

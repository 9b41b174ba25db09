"""Why the catalog refuses: one class, one constructor for each of Cosmos's error types.

    CatalogError          type, message, status (400 unless said otherwise), data

Clients tell errors apart by ``type`` and print ``message``; nobody in the service catches one kind apart from another
except by ``type``.   Source: cosmos rpc error classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class CatalogError(Exception):
    """``data`` without its absent (None) values is the answer's data; ``headers`` go with it."""

    def __init__(
        self,
        type: str,
        message: str,
        *,
        status: int = 400,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
        self.status = status
        self.data = {key: value for key, value in data.items() if value is not None} if data is not None else None
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"type": self.type, "message": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


# ---- packages --------------------------------------------------------------------------------------------------------


def package_not_found(name: str, broken: str | None = None) -> CatalogError:
    """``broken``: why a repository's package of that name was left out."""
    message = f"Package [{name}] not found"
    return CatalogError("PackageNotFound", _because(message, broken), data={"packageName": name, "broken": broken})


def version_not_found(name: str, version: str, broken: str | None = None) -> CatalogError:
    return CatalogError(
        "VersionNotFound",
        _because(f"Version [{version}] of package [{name}] not found", broken),
        data={"packageName": name, "packageVersion": version, "broken": broken},
    )


def _because(message: str, broken: str | None) -> str:
    return f"{message}; it was left out, because it is broken: {broken}" if broken else message


def no_template(name: str, version: str) -> CatalogError:
    return CatalogError(
        "ServiceMarathonTemplateNotFound",
        f"Package: [{name}] version: [{version}] does not have a Marathon template defined and can not be rendered",
        data={"packageName": name, "packageVersion": version},
    )


def too_new_for_v2(name: str) -> CatalogError:
    return CatalogError(
        "ConversionFromPackageToV2DescribeResponse",
        f"Package [{name}] cannot be described in version v2; ask for v3",
    )


def options_not_allowed() -> CatalogError:
    return CatalogError("OptionsNotAllowed", "No schema available to validate the provided options")


def options_mismatch(errors: Sequence[Mapping[str, Any]]) -> CatalogError:
    return CatalogError("JsonSchemaMismatch", "Options JSON failed validation", data={"errors": list(errors)})


def schema_unusable(why: str) -> CatalogError:
    return CatalogError("JsonSchemaMismatch", f"The package's schema cannot be used: {why}")


def options_not_stored() -> CatalogError:
    return CatalogError("OptionsNotStored", "Unable to update a service whose options were not stored at install")


def json_parsing(reason: str, text: str) -> CatalogError:
    return CatalogError(
        "JsonParsingError",
        f"Unable to parse the rendered app as JSON: {reason}",
        data={"underlyingType": "mustache", "underlyingMessage": reason, "input": text[:2000]},
    )


def json_decoding(what: str, reason: str) -> CatalogError:
    return CatalogError("JsonDecodingError", f"Unable to decode {what}: {reason}", data={"typeName": what})


def template_not_object() -> CatalogError:
    return CatalogError("MarathonTemplateMustBeJsonObject", "Rendered Marathon JSON must be a JSON object")


# ---- installed services ----------------------------------------------------------------------------------------------


def already_installed() -> CatalogError:
    return CatalogError("PackageAlreadyInstalled", "Package is already installed", status=409)


def not_installed(name: str) -> CatalogError:
    return CatalogError("PackageNotInstalled", f"Package [{name}] is not installed", data={"packageName": name})


def no_such_app_of_package(name: str, app_id: str) -> CatalogError:
    return CatalogError(
        "UninstallNonExistentAppForPackage",
        f"Package [{name}] with id [{app_id}] is not installed",
        data={"packageName": name, "appId": app_id},
    )


def ambiguous(name: str, app_ids: Sequence[str]) -> CatalogError:
    return CatalogError(
        "AmbiguousAppId",
        f"Multiple apps named [{name}] are installed: [{', '.join(app_ids)}]",
        data={"packageName": name, "appIds": list(app_ids)},
    )


def app_not_found(app_id: str) -> CatalogError:
    return CatalogError(
        "MarathonAppNotFound", f"Unable to locate service with marathon appId: '{app_id}'", data={"appId": app_id}
    )


def app_id_changed(new: str, old: str) -> CatalogError:
    return CatalogError(
        "AppIdChanged",
        f"Attempted to change app id from '{old}' to '{new}' on update. Changing app id is not allowed",
        data={"newAppId": new, "oldAppId": old},
    )


def upgrade_not_supported(requested: str, actual: str, possible: Sequence[str]) -> CatalogError:
    """``possible``: the versions it can go to."""
    where = f"it can go to {', '.join(possible)}" if possible else "there is no version that it can go to"
    return CatalogError(
        "VersionUpgradeNotSupportedInOpen",
        f"Version upgrade from [{actual}] to [{requested}] is not supported; {where}",
        data={"requested": requested, "actual": actual, "possible": list(possible)},
    )


def app_not_deleted(app_id: str, reason: str) -> CatalogError:
    return CatalogError(
        "MarathonAppDeleteError",
        f"Error while deleting marathon app '{app_id}': {reason}",
        data={"appId": app_id},
    )


def several_frameworks(name: str, version: str | None, framework: str, ids: Sequence[str]) -> CatalogError:
    return CatalogError(
        "MultipleFrameworkIds",
        f"Uninstalled package [{name}] version [{version}]\n"
        f"Unable to shutdown [{name}] service framework with name [{framework}] because there are multiple framework "
        f"ids matching this name: [{', '.join(ids)}]",
        data={"packageName": name, "packageVersion": version, "frameworkName": framework, "ids": list(ids)},
    )


def incomplete_uninstall(name: str) -> CatalogError:
    return CatalogError(
        "IncompleteUninstall",
        f"Incomplete uninstall of package [{name}] due to Mesos unavailability",
        status=503,
        data={"packageName": name},
    )


def uninstall_not_started(app_id: str, explanation: str) -> CatalogError:
    return CatalogError(
        "FailedToStartUninstall",
        f"Failed to start the uninstall of service at '{app_id}': {explanation}",
        data={"appId": app_id, "explanation": explanation},
    )


# ---- repositories ----------------------------------------------------------------------------------------------------


def repository_present(name: str | None, uri: str | None) -> CatalogError:
    what = _name_or_uri(name, uri, "are both already present in the list", "is already present in the list")
    return CatalogError("RepositoryAlreadyPresent", what, data={"name": name, "uri": uri})


def repository_absent(name: str | None, uri: str | None) -> CatalogError:
    what = _name_or_uri(name, uri, "are both not present in the list", "is not present in the list")
    return CatalogError("RepositoryNotPresent", what, data={"name": name, "uri": uri})


def _name_or_uri(name: str | None, uri: str | None, both: str, one: str) -> str:
    if name is not None and uri is not None:
        return f"Repository name [{name}] and URI [{uri}] {both}"
    return f"Repository name [{name}] {one}" if name is not None else f"Repository URI [{uri}] {one}"


def repository_unnamed() -> CatalogError:
    return CatalogError("RepoNameOrUriMissing", "Must specify either the name or URI of the repository")


def index_out_of_bounds(attempted: int, largest: int) -> CatalogError:
    return CatalogError(
        "RepositoryAddIndexOutOfBounds",
        f"Index out of range: {attempted}",
        data={"attempted": attempted, "max": largest},
    )


def unsupported_uri(uri: str) -> CatalogError:
    return CatalogError(
        "UnsupportedRepositoryUri",
        f"Repository URI [{uri}] uses an unsupported scheme. Only http and https are supported",
        data={"uri": uri},
    )


def uri_syntax(name: str, uri: str) -> CatalogError:
    return CatalogError(
        "RepositoryUriSyntax",
        f"URI for repository [{name}] has invalid syntax: {uri}",
        data={"repository": {"name": name, "uri": uri}, "cause": "bad syntax"},
    )


def repository_unreachable(name: str, uri: str, cause: str) -> CatalogError:
    return CatalogError(
        "RepositoryUriConnection",
        f"Could not access data at URI for repository [{name}]: {uri} ({cause})",
        data={"repository": {"name": name, "uri": uri}, "cause": cause},
    )


def repository_answered(name: str, uri: str, status: int, *, adding: bool = False) -> CatalogError:
    return CatalogError(
        "UniverseClientHttpError",
        f"Unexpected answer status {status} from repository [{name}] at {uri}",
        status=400 if adding else 500,
        data={"packageRepository": {"name": name, "uri": uri}, "method": "GET", "clientStatus": status},
    )


def repository_not_understood(name: str, uri: str, cause: str) -> CatalogError:
    return CatalogError(
        "JsonDecodingError", f"Unable to decode repository [{name}] at {uri}: {cause}", data={"typeName": "Repository"}
    )


def unsupported_redirect(supported: str, actual: str | None) -> CatalogError:
    return CatalogError(
        "UnsupportedRedirect",
        f"Unsupported redirect scheme - supported: {supported} actual: {actual or 'none'}",
        data={"supported": [supported], "actual": actual},
    )


def unsupported_encoding(supported: Sequence[str], actual: str) -> CatalogError:
    return CatalogError(
        "UnsupportedContentEncoding",
        f"Unsupported Content-Encoding: {actual}, supported: {', '.join(supported)}",
        data={"supported": list(supported), "actual": actual},
    )


def unsupported_content(supported: Sequence[str], actual: str | None) -> CatalogError:
    return CatalogError(
        "UnsupportedContentType",
        f"Unsupported Content-Type: {actual or 'none'}, supported: {', '.join(supported)}",
        data={"supported": list(supported), "actual": actual},
    )


def concurrent_access() -> CatalogError:
    return CatalogError("ConcurrentAccess", "Retry operation. Operation didn't complete due to concurrent access")


# ---- requests and neighbours -----------------------------------------------------------------------------------------


def header_absent(name: str) -> CatalogError:
    return CatalogError("not_present", f"Item 'header '{name}'' is not present in the request")


def header_wrong(name: str, rule: str) -> CatalogError:
    return CatalogError("not_valid", f"Item header '{name}' deemed invalid by rule: {rule}")


def several(errors: Sequence[CatalogError]) -> CatalogError:
    """What is wrong with one request, all at once."""
    return CatalogError(
        "multiple_errors",
        "; ".join(error.message for error in errors),
        data={"errors": [error.body() for error in errors]},
    )


def body_wrong(reason: str, path: str, *, parsed: bool) -> CatalogError:
    kind = "decode" if parsed else "parse"
    data = {"type": kind, "reason": reason, "path": path or None}
    return CatalogError("json_error", f"Unable to {kind} the request body: {reason}", data=data)


def resource_forbidden(url: str) -> CatalogError:
    return CatalogError(
        "Forbidden",
        f"Unable to complete request due to insufficient permissions: {url} belongs to no package",
        status=403,
        data={"serviceName": "Package Collection", "destination": url},
    )


def generic_http(method: str, uri: str, status: int, message: str) -> CatalogError:
    return CatalogError("GenericHttpError", message, data={"method": method, "uri": uri, "clientStatus": status})


def endpoint_syntax(uri: str) -> CatalogError:
    return CatalogError("EndpointUriSyntax", f"URI has invalid syntax: {uri}", data={"destination": uri})


def endpoint_unreachable(uri: str, cause: str) -> CatalogError:
    return CatalogError(
        "EndpointUriConnection",
        f"Could not access data at URI: {uri}",
        status=502,
        data={"destination": uri, "cause": cause},
    )


def timed_out(operation: str, destination: str, timeout_s: float) -> CatalogError:
    return CatalogError(
        "TimeoutError",
        f"{operation} of {destination} took longer than {timeout_s:g} s",
        data={"operation": operation, "destination": destination, "timeout": f"{timeout_s:g} s"},
    )


def unauthorized(service: str, challenge: str | None) -> CatalogError:
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    message = f"Unable to complete request due to Unauthorized response from service [{service}]"
    return CatalogError(
        "Unauthorized", message, status=401, data={"serviceName": service, "realm": challenge}, headers=headers
    )


def token_refused(reason: str) -> CatalogError:
    realm = "oauthjwt"
    return CatalogError(
        "Unauthorized",
        f"Invalid authentication token: {reason}",
        status=401,
        data={"serviceName": "cosmos", "realm": realm},
        headers={"WWW-Authenticate": realm},
    )


def forbidden(service: str, reason: str | None) -> CatalogError:
    """``reason``: what is missing, as the service says."""
    message = f"Unable to complete request due to Forbidden response from service [{service}]"
    data = {"serviceName": service, "reason": reason}
    return CatalogError("Forbidden", f"{message}: {reason}" if reason else message, status=403, data=data)


def unavailable(service: str) -> CatalogError:
    return CatalogError(
        "ServiceUnavailable",
        f"Unable to complete request due to downstream service [{service}] unavailability",
        status=503,
        data={"serviceName": service},
    )


def manager_not_found(manager: str) -> CatalogError:
    return CatalogError(
        "CustomPackageManagerNotFound", f"Custom manager {manager} is not found", data={"managerId": manager}
    )


def manager_failed(manager: str, status: int, text: str) -> CatalogError:
    return CatalogError(
        "CustomPackageManagerError",
        f"Custom manager {manager} returned with status {status}",
        data={"managerId": manager, "statusCode": status, "responseContent": text},
    )


def marathon_refused(message: str, details: Sequence[Any]) -> CatalogError:
    return CatalogError("MarathonBadResponse", message, data={"errors": list(details)})


def marathon_failed(status: int) -> CatalogError:
    if status >= 500:
        return CatalogError("MarathonBadGateway", f"Received response status code {status} from Marathon", status=502)
    return CatalogError("MarathonGenericError", f"Received response status code {status} from Marathon", status=500)

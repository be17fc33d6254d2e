"""Stack operations: create, update, roll back and delete, one resource after the other in the order of their needs.

It knows nothing of the API before it, nor of what a type's kind does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from local_aws.cloudformation.intrinsics import TemplateError
from local_aws.cloudformation.kinds import Physical
from local_aws.cloudformation.resource_work import OperationFailedError, ResourceWork, Step, must_replace
from local_aws.cloudformation.stacks import Region, Resource, Source, Stack, now
from local_aws.cloudformation.strictness import check_resources
from local_aws.cloudformation.template import check_rules, dependencies, order

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_LOG: Final = logging.getLogger(__name__)
_STOP_S: Final = 60.0


class Engine:
    """Runs stack operations, each on a thread of its own, until ``stop``."""

    def __init__(self, aws: LocalAws) -> None:
        self._stopping = threading.Event()
        self._work = ResourceWork(aws, self._stopping)
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Have the operations give up waiting, and wait for them."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_S)

    def run(self, operation: Callable[[], None], stack: Stack) -> None:
        """Run an operation of a stack in the background."""

        def guarded() -> None:
            try:
                operation()
            except Exception:  # noqa: BLE001  # whatever it is, the stack is not to hang
                _LOG.exception("an operation of stack %s failed inside the local AWS", stack.name)
                stack.set_status(_failure_of(stack.status), "InternalFailure: the local AWS's log has the traceback")

        thread = threading.Thread(target=guarded, name=f"stack-{stack.region}-{stack.name}", daemon=True)
        self._threads = [running for running in self._threads if running.is_alive()] + [thread]
        thread.start()

    def create(self, region: Region, stack: Stack, *, on_failure: str) -> None:
        """Make a stack's resources; on failure ``ROLLBACK``, ``DELETE`` or ``DO_NOTHING``."""
        try:
            self._apply(region, stack, stack.source, [])
        except OperationFailedError as failure:
            if on_failure == "DO_NOTHING":
                stack.set_status("CREATE_FAILED", str(failure))
                return
            status = "DELETE" if on_failure == "DELETE" else "ROLLBACK"
            stack.set_status(f"{status}_IN_PROGRESS", f"{failure} Rollback requested by user.")
            whole = self._delete_all(stack, rolling_back=True)
            stack.set_status(f"{status}_COMPLETE" if whole else f"{status}_FAILED")
            return
        stack.set_status("CREATE_COMPLETE")

    def update(self, region: Region, stack: Stack, source: Source) -> None:
        """Move a stack to another source, or back where that fails."""
        before, outputs, imports = stack.source, stack.outputs, stack.imports
        old = dict(stack.resources)
        steps: list[Step] = []
        stack.source = source
        try:
            self._apply(region, stack, source, steps)
        except OperationFailedError as failure:
            stack.source = before
            if not stack.rollback:
                stack.set_status("UPDATE_FAILED", str(failure))
                return
            stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", str(failure))
            whole = self._undo(stack, steps)
            stack.outputs, stack.imports = outputs, imports
            stack.set_status("UPDATE_ROLLBACK_COMPLETE" if whole else "UPDATE_ROLLBACK_FAILED")
            return
        stack.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(stack, old, steps)
        stack.updated = now()
        stack.set_status("UPDATE_COMPLETE")

    def delete(self, region: Region, stack: Stack, retained: frozenset[str]) -> None:
        """Delete a stack's resources, but those to be kept."""
        used = region.importers(stack.exports, stack)
        if used:
            stack.set_status("DELETE_FAILED", "; ".join(used))
            return
        if self._delete_all(stack, retained=retained):
            stack.deleted = now()
            stack.outputs = {}
            stack.set_status("DELETE_COMPLETE")
            return
        failed = sorted(name for name, resource in stack.resources.items() if resource.status == "DELETE_FAILED")
        stack.set_status("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")

    # --- forward

    def _apply(self, region: Region, stack: Stack, source: Source, steps: list[Step]) -> None:
        """Make or change every resource of a source, and work out the outputs; ``steps`` tells how far it came."""
        imports: set[str] = set()

        def find_export(name: str) -> Any:
            imports.add(name)
            return region.find_export(name)

        scope = stack.scope(source, find_export)
        try:
            check_rules(source.template, scope)
            wanted = {name: item for name, item in source.template["Resources"].items() if scope.includes(item)}
            needs = {name: dependencies(item) for name, item in wanted.items()}
            names = order(needs)
        except TemplateError as error:
            raise OperationFailedError(str(error)) from None
        self._refuse_unknown(stack, wanted)
        for name in names:
            self._apply_one(stack, name, wanted[name], needs[name], scope, steps)
        try:
            outputs = _outputs(source, scope)
        except TemplateError as error:
            raise OperationFailedError(str(error)) from None
        exports = {output["ExportName"]: None for output in outputs.values() if "ExportName" in output}
        self._check_exports(region, stack, exports)
        with stack.lock:
            stack.outputs, stack.imports = outputs, imports

    def _refuse_unknown(self, stack: Stack, wanted: Mapping[str, Any]) -> None:
        refused = check_resources(wanted)
        for name, reason in refused.items():
            verb = "UPDATE" if name in stack.resources else "CREATE"
            stack.record(name, wanted[name]["Type"], "", f"{verb}_FAILED", reason)
        if refused:
            raise OperationFailedError(f"The following resource(s) failed to create: [{', '.join(sorted(refused))}].")

    def _check_exports(self, region: Region, stack: Stack, exports: Mapping[str, Any]) -> None:
        for other in region.living():
            taken = sorted(other.exports.keys() & exports.keys()) if other is not stack else []
            if taken:
                raise OperationFailedError(f"Export with name {taken[0]} is already exported by stack {other.name}")
        gone = {name: value for name, value in stack.exports.items() if name not in exports}
        used = region.importers(gone, stack)
        if used:
            raise OperationFailedError("; ".join(used))

    def _apply_one(
        self, stack: Stack, name: str, definition: Mapping[str, Any], needs: set[str], scope: Any, steps: list[Step]
    ) -> None:
        old = stack.resources.get(name)
        kind = definition["Type"]
        try:
            properties = scope.resolve(definition.get("Properties", {}))
        except TemplateError as error:
            raise self._work.fail(stack, name, kind, "", "UPDATE" if old else "CREATE", str(error)) from None
        made = Resource(
            logical_id=name,
            kind=kind,
            properties=properties,
            physical=Physical(""),
            needs=needs,
            deletion_policy=definition.get("DeletionPolicy", "Delete"),
            replace_policy=definition.get("UpdateReplacePolicy", "Delete"),
            metadata=definition.get("Metadata"),
        )
        if old is None:
            self._work.make(stack, made, steps, None)
        elif old.kind == kind and old.properties == properties:
            made.physical, made.status, made.updated = old.physical, old.status, old.updated
            steps.append(Step(old, made, replaced=False))
            stack.resources[name] = made
        elif must_replace(old.kind, kind, old.properties, properties):
            self._work.replace(stack, old, made, steps)
        else:
            self._work.change(stack, old, made, steps)

    # --- back, and away

    def _undo(self, stack: Stack, steps: list[Step]) -> bool:
        """Bring back what was there before an update: changes first, then away with what was made."""
        whole = True
        for step in reversed(steps):
            if step.before is not None and not step.replaced and step.before.properties != step.after.properties:
                whole &= self._work.change_back(stack, step.before, step.after)
        for step in reversed(steps):
            if step.before is None:
                whole &= self._work.delete(stack, step.after)
                if step.after.status != "DELETE_FAILED":
                    stack.resources.pop(step.after.logical_id, None)
            else:
                if step.replaced:
                    whole &= self._work.delete(stack, step.after)
                stack.resources[step.before.logical_id] = step.before
        return whole

    def _clean_up(self, stack: Stack, old: Mapping[str, Resource], steps: list[Step]) -> None:
        """Delete what an update left behind: the replaced, and what the template has no more."""
        kept = {step.after.logical_id for step in steps}
        replaced = {step.before.logical_id: step.before for step in steps if step.before is not None and step.replaced}
        leaving = {name: resource for name, resource in old.items() if name not in kept or name in replaced}
        for name in reversed(order({name: resource.needs for name, resource in leaving.items()})):
            resource = leaving[name]
            policy = resource.replace_policy if name in replaced else resource.deletion_policy
            if policy == "Retain":
                stack.record(name, resource.kind, resource.physical.id, "DELETE_SKIPPED", None)
            else:
                self._work.delete(stack, resource)  # as AWS: what cannot be deleted now is left, the update is complete
            if name not in replaced:
                stack.resources.pop(name, None)

    def _delete_all(self, stack: Stack, *, retained: frozenset[str] = frozenset(), rolling_back: bool = False) -> bool:
        whole = True
        needed: set[str] = set()  # by something that could not be deleted
        for name in reversed(order({name: resource.needs for name, resource in stack.resources.items()})):
            resource = stack.resources[name]
            keeping = ("Retain",) if rolling_back else ("Retain", "RetainExceptOnCreate")
            if resource.deletion_policy in keeping or name in retained:
                stack.record(name, resource.kind, resource.physical.id, "DELETE_SKIPPED", None)
            elif name in needed:
                needed |= resource.needs
                continue
            elif not self._work.delete(stack, resource):
                whole = False
                needed |= resource.needs
                continue
            stack.resources.pop(name)
        return whole


def _outputs(source: Source, scope: Any) -> dict[str, dict[str, Any]]:
    outputs = {}
    for key, definition in (source.template.get("Outputs") or {}).items():
        if not scope.includes(definition):
            continue
        output: dict[str, Any] = {"OutputKey": key, "OutputValue": str(scope.resolve(definition["Value"]))}
        if "Description" in definition:
            output["Description"] = definition["Description"]
        if "Export" in definition:
            output["ExportName"] = scope.resolve(definition["Export"]["Name"])
        outputs[key] = output
    return outputs


def _failure_of(status: str) -> str:
    return status.replace("_COMPLETE_CLEANUP_IN_PROGRESS", "_FAILED").replace("_IN_PROGRESS", "_FAILED")

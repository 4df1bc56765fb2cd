"""Everything of a profile gone: what `minikube delete` removes, and what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.files import delete, write_private
from canarylab.providers.minikube import leftover_processes, user_context, vm
from canarylab.providers.minikube.call import ASK_SECONDS, call, profile_setting, profiles
from canarylab.providers.minikube.problems import failure
from canarylab.removal import Removal
from canarylab.tools.minikube import Minikube, complaints, config_set

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_DELETE_SECONDS = 300.0


def half_made(ctx: Context) -> Path:
    """A file that is there from the moment a cluster is started until minikube has finished it."""
    return ctx.paths.root / "half-made"


# -- the cluster ------------------------------------------------------------------------------------------------------


def remove_cluster(ctx: Context) -> list[Removal]:
    """Delete profile and machine, and what is in the user's kubeconfig of them; [] where there is nothing."""
    ended = leftover_processes.end_other_starts(ctx)
    is_known, is_ours = ctx.profile in profiles(ctx), ctx.paths.root.exists()
    if is_known and not is_ours:
        reason = f"this tool was never brought up on it; `minikube delete -p {ctx.profile}` deletes it"
        return [*ended, Removal(f"minikube profile {ctx.profile}", "left", reason)]
    was_interrupted = is_ours and (user_context.has_minikubes(ctx.profile) or _note(ctx).exists())
    if is_known or _folders_left(ctx.profile) or was_interrupted:
        return ended + delete_profile(ctx)
    return ended + leftover_processes.end_orphans(ctx)


def delete_profile(ctx: Context) -> list[Removal]:
    """`minikube delete`, then a look at what it left: it counts a machine that it couldn't remove as removed."""
    had_context = user_context.has_minikubes(ctx.profile)
    setting = _remember_setting(ctx)
    ctx.progress("deleting the profile with its machine")
    result = call(ctx, Minikube(ctx.profile).delete(), timeout=_DELETE_SECONDS)
    setting_put_back = _put_setting_back(ctx, setting)
    subject = f"minikube profile {ctx.profile} with its machine"
    if result.code or ctx.profile in profiles(ctx):
        error = failure("delete the cluster", result.output, result.code, ctx)
        return [Removal(subject, "failed", "; ".join([str(error), *complaints(result.output)])), *setting_put_back]
    removals = [Removal(subject, "removed")]
    if had_context:
        removals.append(user_context.forget(ctx.profile, ctx.cancel))
    half_made(ctx).unlink(missing_ok=True)
    removals += leftover_processes.end_orphans(ctx)
    removals += [Removal(f"files in {folder}", "removed") for folder in _folders_left(ctx.profile) if delete(folder)]
    return removals + setting_put_back


def _folders_left(profile: str) -> list[Path]:
    """What is there of a profile even where minikube doesn't count it as one, such as after a dry run."""
    return [
        folder
        for folder in (vm.home() / "profiles" / profile, leftover_processes.machine_folder(profile))
        if folder.exists()
    ]


# -- minikube's setting `profile` -------------------------------------------------------------------------------------


def _note(ctx: Context) -> Path:
    return ctx.paths.root / "minikube-profile-setting"


def _remember_setting(ctx: Context) -> str:
    """The profile that is set, if it is another one: `delete` unsets it all the same.

    Written down, since a run that is killed after the deletion couldn't ask any more.
    """
    setting = profile_setting(ctx) or (_note(ctx).read_text() if _note(ctx).exists() else "")
    if setting in ("", ctx.profile):
        return ""
    if ctx.paths.root.exists():
        write_private(_note(ctx), setting)
    return setting


def _put_setting_back(ctx: Context, setting: str) -> list[Removal]:
    if not setting:
        return []
    subject = "minikube's setting `profile`"
    if profile_setting(ctx) != setting:
        result = call(ctx, config_set("profile", setting), timeout=ASK_SECONDS)
        if result.code:
            return [Removal(subject, "failed", f"put it back with: minikube config set profile {setting}")]
    _note(ctx).unlink(missing_ok=True)
    return [Removal(subject, "left", f"it names {setting}, as before")]

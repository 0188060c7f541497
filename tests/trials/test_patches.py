"""The broken builds are patches, and a patch that does not apply any more proves nothing."""

from pathlib import Path

import pytest

from sahut_lab.trial.broken import BROKEN
from sahut_lab.trial.patches import DoesNotApply, apply, copy_tree, hunks, patch_names


@pytest.mark.parametrize("name", patch_names())
def test_a_patch_applies_to_the_tree_and_changes_it(name: str, tmp_path: Path) -> None:
    copy_tree(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    apply(name, tmp_path)

    changed = [path for path, content in before.items() if path.read_bytes() != content]
    assert changed
    assert all("sahut_lab" not in path.relative_to(tmp_path).parts for path in changed)
    for path in changed:
        if path.suffix == ".py":  # one that cannot even be read would be caught by anything
            compile(path.read_text(), str(path), "exec")


def test_every_patch_has_its_trial_and_every_trial_its_patch() -> None:
    assert sorted(BROKEN) == patch_names()


def test_a_patch_whose_lines_are_gone_does_not_pass_for_applied(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    apply("snapshot_xmax_horizon", tmp_path)

    with pytest.raises(DoesNotApply):
        apply("snapshot_xmax_horizon", tmp_path)


def test_hunks_keep_the_lines_around_a_change() -> None:
    patch = "--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n\n@@ -9 +9 @@\n-gone\n"

    assert hunks(patch) == [("x.py", "one\ntwo\n\n", "one\nzwei\n\n"), ("x.py", "gone\n", "")]

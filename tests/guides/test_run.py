"""The runner of guides, on guides of a few lines."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run"


def follow(folder: Path, guide: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output. In the guides here `'''` stands for a fence."""
    path = folder / "guide.md"
    path.write_text(textwrap.dedent(guide).replace("'''", "```"))
    ended = subprocess.run([sys.executable, str(RUN), str(path), *arguments], capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_files_are_written_and_commands_run_in_order(tmp_path: Path) -> None:
    code, output = follow(
        tmp_path,
        """
        <!-- file: sub/a.txt -->
        '''text
        one
        '''
        '''sh
        cd sub
        export WORD=two
        '''
        '''sh
        cat a.txt
        echo "$WORD, $(basename "$PWD")"
        test -f "$REPOSITORY/Cargo.toml"
        '''
        <!-- output -->
        '''text
        one
        t..., sub
        '''
        '''yaml
        only: shown
        '''
        <!-- skip: not here -->
        '''sh
        false
        '''
        """,
    )
    assert code == 0, output
    assert "4 passed, 0 failed" in output


@pytest.mark.parametrize("block", ["false", "false | true", "echo $UNSET_VARIABLE", "echo before; exit 3"])
def test_a_command_that_fails_ends_it_with_its_line_and_output(tmp_path: Path, block: str) -> None:
    code, output = follow(tmp_path, f"'''sh\necho fine\n'''\n\n'''sh\n{block}\n'''\n'''sh\ntouch {tmp_path}/after\n'''\n")
    assert code == 1
    assert "line 5: ended with" in output
    assert not (tmp_path / "after").exists()
    if "before" in block:
        assert "    before" in output


@pytest.mark.parametrize("shown", ["b\na", "a\nc", "a b"])
def test_output_that_is_not_as_shown_fails(tmp_path: Path, shown: str) -> None:
    code, output = follow(tmp_path, f"'''sh\nprintf 'a\\nb\\n'\n'''\n<!-- output -->\n'''text\n{shown}\n'''\n")
    assert code == 1
    assert "the output shown is not what came" in output


def test_a_terminal_in_the_background_is_waited_for_and_stopped(tmp_path: Path) -> None:
    code, output = follow(
        tmp_path,
        f"""
        <!-- background: one, ready: listening -->
        '''sh
        trap 'echo stopped >>{tmp_path}/log; exit 0' INT
        echo listening
        read -r line < <(sleep 300)
        '''
        <!-- output: one -->
        '''text
        listening
        '''
        <!-- stop: one -->
        '''sh
        cat {tmp_path}/log
        '''
        <!-- output -->
        '''text
        stopped
        '''
        """,
    )
    assert code == 0, output


def test_one_that_ends_before_it_is_ready_fails_at_once(tmp_path: Path) -> None:
    code, output = follow(tmp_path, "<!-- background: one, ready: listening -->\n'''sh\necho no; exit 1\n'''\n")
    assert code == 1
    assert "did not say 'listening'" in output
    assert "    no" in output


def test_what_still_runs_at_the_end_is_stopped(tmp_path: Path) -> None:
    code, _ = follow(
        tmp_path,
        f"<!-- background: one, ready: go -->\n'''sh\necho $$ >{tmp_path}/pid\necho go\nexec sleep 300\n'''\n'''sh\nfalse\n'''\n",
    )
    assert code == 1
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_part_runs_its_own_blocks_and_those_of_all_and_writes_every_file(tmp_path: Path) -> None:
    guide = """
        '''sh
        echo all
        '''
        <!-- part: laptop -->
        <!-- file: a.txt -->
        '''text
        a
        '''
        '''sh
        echo laptop
        '''
        <!-- part: cluster -->
        '''sh
        cat a.txt
        '''
        """
    assert "3 passed" in follow(tmp_path, guide, "--part", "cluster")[1]
    assert "echo laptop" not in follow(tmp_path, guide, "--part", "cluster")[1]
    assert "cat a.txt" not in follow(tmp_path, guide, "--part", "laptop")[1]
    assert "4 passed" in follow(tmp_path, guide)[1]


def test_what_cleans_up_runs_after_a_failure(tmp_path: Path) -> None:
    code, _ = follow(tmp_path, f"'''sh\nfalse\n'''\n<!-- always -->\n'''sh\ntouch {tmp_path}/cleaned\n'''\n")
    assert code == 1
    assert (tmp_path / "cleaned").exists()


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    code, output = follow(tmp_path, "<!-- timeout: 1 -->\n'''sh\necho begun; sleep 300\n'''\n")
    assert code == 1
    assert "took more than 1 s" in output


@pytest.mark.parametrize(
    ("guide", "complaint"),
    [
        ("<!-- fiel: a -->\n'''text\n'''\n", "line 1: <!-- fiel: a --> is none of"),
        ("<!-- file: a -->\ntext\n", "line 1: the comment is followed by text"),
        ("<!-- file: a -->\n", "line 1: no block follows"),
        ("<!-- timeout: 5 -->\n'''yaml\n'''\n", "is for a block of sh"),
        ("<!-- output -->\n'''sh\n'''\n", "output is for a block that shows it"),
        ("<!-- part: moon -->\n", "part is one of"),
        ("<!-- background: a -->\n'''sh\n'''\n", "background: NAME, ready: TEXT"),
        ("<!-- stop: a -->\n", "nothing named a was started"),
        ("'''sh\n", "line 1: the block has no end"),
        ("nothing to do\n", "0 passed"),
    ],
)
def test_a_guide_that_is_wrong_is_refused(tmp_path: Path, guide: str, complaint: str) -> None:
    code, output = follow(tmp_path, guide)
    assert code == 1
    assert complaint in output

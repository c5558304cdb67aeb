"""Reading a project from the disk: ``esp_at.yml``, and the files that its options name."""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from project_layers import options_layer, project_layer, write_files

from platformio_esp_at.errors import EspAtError, Place
from platformio_esp_at.request.layers import make_request
from platformio_esp_at.request.nodes import Layer
from platformio_esp_at.request.read import read_project
from platformio_esp_at.request.values import Firmware, InputFolder, Text

if TYPE_CHECKING:
    from platformio_esp_at.request.options import Request


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_files(tmp_path)


def _request(folder: Path, text: str) -> Request:
    """Return the request of a project file with this text from line 2 on."""
    return make_request([project_layer(folder, f"firmware: fw.zip\n{text}")])


def _refused(folder: Path, text: str) -> EspAtError:
    with pytest.raises(EspAtError) as caught:
        _request(folder, text)
    return caught.value


# --- the options in a project file ---


def test_options_and_their_lines(folder):
    assert project_layer(folder, "port: COM3\n\nskip: [a]\n") == Layer(
        folder,
        {
            "port": Text("COM3", Place.at(file="esp_at.yml", line=1)),
            "skip": (Text("a", Place.at(file="esp_at.yml", line=3)),),
        },
    )


@pytest.mark.parametrize("word", ["NO", "yes", "null", "~", "0x10", "1e3", "2024-01-01", "010", "1_000"])
def test_a_value_stays_the_text_that_was_written(folder, word):
    request = _request(folder, f"factory_param: {{country_code: {word}}}")
    assert {name: text.text for name, text in request.factory_param.items()} == {"country_code": word}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"], ids=repr)
def test_empty_project_file(folder, text):
    assert project_layer(folder, text) == Layer(folder, {})


def test_no_project_file(tmp_path):
    assert read_project(tmp_path) == Layer(tmp_path, {})


def test_project_file_with_a_byte_order_mark(folder):
    assert make_request([project_layer(folder, "\ufefffirmware: fw.zip")]).firmware.path == folder / "fw.zip"


# --- what is wrong in the project file ---


@pytest.mark.parametrize(
    ("text", "where", "code", "message", "hint"),
    [
        pytest.param(
            "skip: []\nmodul: x\n",
            "esp_at.yml:2:1",
            "unknown-option",
            "unknown option 'modul'",
            "did you mean module?",
            id="misspelt",
        ),
        pytest.param(
            "{skip: [], zzz: {a: b}}\n",
            "esp_at.yml:1:12",
            "unknown-option",
            "unknown option 'zzz'",
            "known: after, backup, baud, before,",
            id="unknown",
        ),
        pytest.param(
            "\n\nport: 1\nport: 2\n",
            "esp_at.yml:4",
            "option-twice",
            "'port' is given twice",
            "remove one of the two; the first is esp_at.yml:3",
            id="twice",
        ),
        pytest.param(
            "data:\n  a: 1\n  a: 2\n",
            "esp_at.yml:3",
            "option-twice",
            "'a' is given twice",
            "remove one of the two; the first is esp_at.yml:2",
            id="twice-inside-a-mapping",
        ),
        pytest.param(
            "pki: &a {x: y}\ndata: *a\n",
            "esp_at.yml:1",
            "not-yaml",
            "YAML aliases are not supported here",
            "write the value itself in place of the *alias",
            id="alias",
        ),
        pytest.param(
            "data: &a {x: *a}\n",
            "esp_at.yml:1",
            "not-yaml",
            "YAML aliases are not supported here",
            "write the value itself in place of the *alias",
            id="loop",
        ),
        pytest.param(
            "data: *a\n",
            "esp_at.yml:1",
            "not-yaml",
            "not YAML: found undefined alias 'a'",
            "put the value here in single quotes: 'VALUE'",
            id="unknown-alias",
        ),
        pytest.param(
            "[a]: b\n",
            "esp_at.yml:1",
            "option-invalid",
            "a key must be a name",
            "write NAME: VALUE",
            id="list-as-a-key",
        ),
        pytest.param(
            "port: x\n\tbaud: 1\n",
            "esp_at.yml:2",
            "not-yaml",
            "not YAML: a tab",
            "write spaces in place of the tab",
            id="tab",
        ),
        pytest.param(
            "port: [1\nbaud: 2\n",
            "esp_at.yml:2",
            "not-yaml",
            "not YAML: expected ',' or ']', but got ':'",
            "close the bracket, and put a comma between its parts: [a.pem, b.pem]",
            id="open-bracket",
        ),
        pytest.param(
            "- port\n",
            "esp_at.yml",
            "options-file-invalid",
            "it must be a mapping of options",
            "write NAME: VALUE in each line; known: firmware, ",
            id="list",
        ),
        pytest.param(
            "module:WROOM-32\n",
            "esp_at.yml",
            "options-file-invalid",
            "it must be a mapping of options",
            "write module: WROOM-32, with a space after the colon",
            id="no-space-after-the-colon",
        ),
        pytest.param(
            "port\n",
            "esp_at.yml",
            "options-file-invalid",
            "it must be a mapping of options",
            "write NAME: VALUE in each line; known: firmware, ",
            id="text",
        ),
        pytest.param(
            "a: 1\n---\nb: 2\n",
            "esp_at.yml:2",
            "not-yaml",
            "not YAML: but found another document",
            "put the value here in single quotes: 'VALUE'",
            id="two-documents",
        ),
        pytest.param(
            b"port: x\nbaud: \xff\n",
            "esp_at.yml:2",
            "not-text",
            "not UTF-8 text",
            "save esp_at.yml as UTF-8 in your editor",
            id="not-text",
        ),
        pytest.param(
            "port: \x01\n",
            "esp_at.yml:1",
            "not-yaml",
            "not YAML: the character U+0001 is not allowed",
            "remove this character, 7 characters from the start",
            id="control",
        ),
        pytest.param(
            "[" * 5000,
            "esp_at.yml",
            "not-yaml",
            "not YAML: maximum recursion depth exceeded",
            "write NAME: VALUE, with fewer brackets inside brackets",
            id="nested",
        ),
        pytest.param(
            b"#" * ((1 << 20) + 1),
            None,
            "file-too-large",
            "esp_at.yml is larger than 1MB",
            "see whether it is the right file: ls -l ",
            id="larger-than-anybody-writes",
        ),
    ],
)
def test_project_file_refuses(tmp_path, text, where, code, message, hint):
    with pytest.raises(EspAtError) as caught:
        project_layer(tmp_path, text)
    assert (caught.value.where, caught.value.code) == (where, code)
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)


# --- the project file itself ---


def _refused_project(folder: Path) -> tuple[str, str]:
    with pytest.raises(EspAtError) as caught:
        read_project(folder)
    return caught.value.code, str(caught.value)


def test_project_file_of_another_name(tmp_path):
    (tmp_path / "esp_at.yaml").write_text("module: WROOM-32")
    assert _refused_project(tmp_path) == ("misnamed-file", "esp_at.yaml is not read\n  rename it to esp_at.yml")
    (tmp_path / "esp_at.yml").write_text("module: WROOM-32")
    assert read_project(tmp_path).options


def test_project_file_that_is_a_folder(tmp_path):
    (tmp_path / "esp_at.yml").mkdir()
    hint = f"name a file inside {tmp_path / 'esp_at.yml'}, or rename that folder"
    assert _refused_project(tmp_path) == (
        "unreadable",
        f"esp_at.yml can't be read: it is a folder, a file is needed\n  {hint}",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="need named pipes")
def test_project_file_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "esp_at.yml")
    hint = "name a regular file: no device, no pipe, no socket"
    assert _refused_project(tmp_path) == (
        "unreadable",
        f"esp_at.yml can't be read: it is neither a file nor a folder\n  {hint}",
    )


def test_project_folder_that_is_closed(tmp_path, monkeypatch):
    def closed(*_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "esp_at.yml"))

    monkeypatch.setattr(os, "stat", closed)
    monkeypatch.setattr(os, "lstat", closed)
    assert _refused_project(tmp_path) == (
        "unreadable",
        (
            "esp_at.yml can't be read: Permission denied\n"
            f"  see who owns it: ls -ld {shlex.quote(str(tmp_path / 'esp_at.yml'))}"
        ),
    )


def test_project_file_that_leads_nowhere(tmp_path):
    (tmp_path / "esp_at.yml").symlink_to("gone.yml")
    code, text = _refused_project(tmp_path)
    assert code == "file-not-found"
    assert text.startswith("esp_at.yml does not exist\n  looked for ")


# --- files ---


def test_a_folder_is_read_with_all_its_files(folder):
    (folder / "certs/.hidden").touch()
    (folder / "certs/inner").mkdir()
    (folder / "certs/inner/a.bin").write_bytes(b"a")
    assert _request(folder, "data: {a: certs/}").data["a"] == InputFolder(
        "certs/",
        Place.at(file="esp_at.yml", line=2),
        {"ca.pem": b"ca", "one.pem": b"one", "two.pem": b"two", "inner/a.bin": b"a"},
    )


def test_a_comma_is_part_of_a_path(folder):
    (folder / "a,b.pem").write_bytes(b"comma")
    request = make_request([options_layer(folder, pki="mqtt_ca=a,b.pem\nother=['a,b.pem', fw.zip]")])
    assert [file.data for file in request.pki["mqtt_ca"]] == [b"comma"]
    assert [file.data for file in request.pki["other"]] == [b"comma", b"zip"]
    with pytest.raises(EspAtError) as caught:
        make_request([options_layer(folder, pki="mqtt_ca=certs/one.pem, certs/two.pem")])
    assert caught.value.code == "file-not-found"
    assert caught.value.hint.endswith("; a list of files is written [a.pem, b.pem]")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="need named pipes")
@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("firmware: pipe", "not-a-file", "firmware package 'pipe' is neither a file nor a folder"),
        ("firmware: /dev/zero", "not-a-file", "firmware package '/dev/zero' is neither a file nor a folder"),
        ("pki: {a: pipe}", "unreadable", "pipe can't be read: it is neither a file nor a folder"),
        ("data: {a: pipe}", "unreadable", "pipe can't be read: it is neither a file nor a folder"),
        ("data: {a: in}", "unreadable", "in/pipe can't be read: it is neither a file nor a folder"),
    ],
)
def test_what_would_never_end_is_not_opened(folder, text, code, message):
    (folder / "in").mkdir()
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "in/pipe")
    with pytest.raises(EspAtError) as caught:
        make_request([project_layer(folder, text)])
    assert (caught.value.where, caught.value.code, caught.value.message) == ("esp_at.yml:1", code, message)


def test_a_closed_folder_inside_data(folder, monkeypatch):
    scandir = os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    (folder / "in/closed").mkdir(parents=True)
    monkeypatch.setattr(os, "scandir", closed)
    error = _refused(folder, "data: {a: in}")
    assert str(error) == (
        "esp_at.yml:2: in/closed can't be read: Permission denied\n"
        f"  chmod u+rx {shlex.quote(str(folder / 'in/closed'))}"
    )
    assert error.code == "unreadable"


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        pytest.param(
            "partitions: none.csv",
            "file-not-found",
            "none.csv does not exist",
            "looked for {}/none.csv: put it there, or write another path",
            id="partitions",
        ),
        pytest.param(
            "gatts: none.csv",
            "file-not-found",
            "none.csv does not exist",
            "looked for {}/none.csv: put it there, or write another path",
            id="gatts",
        ),
        pytest.param(
            "pki: {mqtt_ca: [certs/one.pem, none.pem]}",
            "file-not-found",
            "none.pem does not exist",
            "looked for {}/none.pem: put it there, or write another path",
            id="pki",
        ),
        pytest.param(
            "data: {a: none.bin}",
            "file-not-found",
            "none.bin does not exist",
            "looked for {}/none.bin: put it there, or write another path",
            id="data",
        ),
        pytest.param(
            "data: {a: table.bin/x}",
            "file-not-found",
            "table.bin/x does not exist",
            "looked for {}/table.bin/x: put it there, or write another path",
            id="file-as-a-folder",
        ),
        pytest.param(
            "gatts: certs",
            "unreadable",
            "certs can't be read: it is a folder, a file is needed",
            "name a file inside {}/certs, or rename that folder",
            id="folder-for-a-file",
        ),
    ],
)
def test_file_that_cant_be_read(folder, text, code, message, hint):
    error = _refused(folder, text)
    assert (error.where, error.code, error.message) == ("esp_at.yml:2", code, message)
    assert error.hint == hint.format(folder)


def test_file_larger_than_any_flash(folder):
    with (folder / "table.bin").open("wb") as stream:
        stream.truncate((16 << 20) + 1)
    error = _refused(folder, "data: {a: table.bin}")
    assert str(error) == (
        f"esp_at.yml:2: table.bin is larger than 16MB\n  see whether it is the right file: ls -l {folder / 'table.bin'}"
    )
    assert error.code == "file-too-large"


def test_folder_larger_than_any_flash(folder):
    (folder / "in").mkdir()
    for name in ("a", "b"):
        with (folder / "in" / name).open("wb") as stream:
            stream.truncate((8 << 20) + 1)
    error = _refused(folder, "data: {a: in}")
    assert str(error) == (
        "esp_at.yml:2: in holds more than 16MB\n"
        f"  move what the module doesn't need out of {folder / 'in'}; b is the first too many"
    )
    assert error.code == "file-too-large"


# --- links in a folder ---


@pytest.fixture
def linked(folder):
    """Return the function that makes a link in the folder ``in``."""

    def link(name: str, target: str) -> None:
        try:
            (folder / "in" / name).symlink_to(target)
        except OSError:
            pytest.skip("need links")

    (folder / "in/inner").mkdir(parents=True)
    (folder / "in/inner/a.bin").write_bytes(b"a")
    return link


@pytest.mark.parametrize(
    ("target", "code", "message", "hint"),
    [
        pytest.param(
            "../table.bin",
            "path-escapes",
            "in/link is a link that leads out of the folder",
            "copy what it leads to into in, or remove the link",
            id="file-outside",
        ),
        pytest.param(
            "../certs",
            "path-escapes",
            "in/link is a link that leads out of the folder",
            "copy what it leads to into in, or remove the link",
            id="folder-outside",
        ),
        pytest.param(
            "/dev/zero",
            "path-escapes",
            "in/link is a link that leads out of the folder",
            "copy what it leads to into in, or remove the link",
            id="device",
        ),
        pytest.param(
            "none",
            "link-damaged",
            "in/link is a link to a file that doesn't exist",
            "put the file there, or remove the link",
            id="nowhere",
        ),
        pytest.param("link", "link-damaged", "in/link is a link to itself", "remove the link", id="itself"),
        pytest.param(
            ".", "link-damaged", "in/link is a link to a folder that it is in", "remove the link", id="its-folder"
        ),
    ],
)
def test_a_link_that_is_refused(folder, linked, target, code, message, hint):
    linked("link", target)
    error = _refused(folder, "data: {a: in}")
    assert (error.where, error.code, error.message, error.hint) == ("esp_at.yml:2", code, message, hint)


def test_links_in_a_circle(folder, linked):
    (folder / "in/other").mkdir()
    linked("inner/there", "../other")
    linked("other/back", "../inner")
    error = _refused(folder, "data: {a: in}")
    assert (error.code, error.message) == (
        "link-damaged",
        "in/inner/there/back is a link to a folder that it is in",
    )


def test_links_that_stay_inside_are_followed(folder, linked):
    linked("b.bin", "inner/a.bin")
    linked("copy", "inner")
    (folder / "way").symlink_to("in")
    files = {"b.bin": b"a", "copy/a.bin": b"a", "inner/a.bin": b"a"}
    assert _request(folder, "data: {a: in}").data["a"].files == files
    assert _request(folder, "data: {a: way}").data["a"].files == files


def test_links_that_multiply(folder, linked):
    """Two links to the next folder in each of 14: 16,384 ways lead to the last one."""
    for number in range(14):
        (folder / f"in/{number}").mkdir()
        for name in "ab":
            linked(f"{number}/{name}", f"../{number + 1}")
    (folder / "in/14").mkdir()
    error = _refused(folder, "data: {a: in}")
    assert (error.code, error.message) == ("file-too-large", "in has more than 10000 files")
    assert error.hint == f"move what the module doesn't need out of {folder / 'in'}"


# --- git-lfs ---

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 114688\n"


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("data: {a: table.bin}", "table.bin"),
        ("data: {a: in}", "in/table.bin"),
        ("pki: {mqtt_ca: ca.pem}", "ca.pem"),
        ("gatts: gatts.csv", "gatts.csv"),
        ("partitions: own.csv", "own.csv"),
    ],
)
def test_a_pointer_of_git_lfs(folder, option, name):
    (folder / "in").mkdir()
    (folder / name).write_bytes(POINTER)
    error = _refused(folder, option)
    assert (error.where, error.code) == ("esp_at.yml:2", "git-lfs-pointer")
    assert error.message == f"{name} is a git-lfs pointer to a file of 114688 bytes, not the file itself"
    assert error.hint == "run git lfs pull in the repository of the file"


# --- labels ---


def test_labels_hold_nothing_of_the_machine(folder):
    request = _request(folder, f"gatts: {folder}/gatts.csv\ndata: {{a: {folder}/certs, b: certs, c: ./table.bin}}")
    assert request.gatts.label == "gatts.csv"
    assert [source.label for source in request.data.values()] == ["certs", "certs", "./table.bin"]


def test_different_files_have_different_labels(folder):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "ca.pem").write_bytes(b"inner")
    (inner / "table.bin").write_bytes(b"inner")
    paths = [folder / "certs/ca.pem", inner / "ca.pem", inner / "../certs/ca.pem", "certs/ca.pem"]
    pki = "\n".join(f"key{number} = {path}" for number, path in enumerate(paths))
    layers = [
        project_layer(folder, "firmware: fw.zip\ndata: {a: table.bin}"),
        options_layer(inner, data="b = table.bin"),
    ]
    request = make_request([*layers, options_layer(folder, pki=pki)])
    assert [file.label for files in request.pki.values() for file in files] == [
        "ca.pem",
        "ca.pem (2)",
        "ca.pem",
        "certs/ca.pem",
    ]
    assert [file.label for file in request.data.values()] == ["table.bin", "table.bin (2)"]


def test_different_folders_have_different_labels(folder):
    for name, data in {"one/web/a": b"1", "two/web/a": b"2", "two/web/b": b"3"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    request = _request(folder, f"data: {{a: {folder}/one/web, b: {folder}/two/web, c: {folder}/one/web}}")
    assert [source.label for source in request.data.values()] == ["web", "web (2)", "web"]


def test_a_label_can_be_shown(folder):
    (folder / "a\x1b.csv").write_bytes(b"x")
    assert _request(folder, 'gatts: "a\\e.csv"').gatts.label == "a\\x1b.csv"


# --- the firmware package ---


LOOKED_FOR = "looked for {path}: put it there, or write another path"
NO_RELEASE = "it is no release either: those are written v4.1.1.0; see esp-at releases"


@pytest.mark.parametrize(
    ("firmware", "hint"),
    [
        pytest.param("other.zip", f"{LOOKED_FOR}\n{NO_RELEASE}", id="file"),
        pytest.param("x" * 300, f"{LOOKED_FOR}\n{NO_RELEASE}", id="name-too-long"),
        pytest.param("v2.zip", f"{LOOKED_FOR}\n{NO_RELEASE}", id="file-like-a-release"),
        pytest.param(
            "lastest",
            "looked for {path}: put it there, or write another path\ndid you mean latest?",
            id="nearly-latest",
        ),
        pytest.param(
            "ESP32-SOLO-1-AT-V4.1.1.0.zip",
            "looked for {path}: put it there, or write another path\n"
            "did you mean ESP32-SOLO-AT-V4.1.1.0 or ESP32-SOLO-AT-V4.1.0.0 or "
            "ESP32-SOLO-AT-V3.2.1.0?",
            id="near-a-released-package",
        ),
    ],
)
def test_firmware_that_does_not_exist(folder, firmware, hint):
    with pytest.raises(EspAtError) as caught:
        make_request([project_layer(folder, f"firmware: {firmware}")])
    assert (caught.value.where, caught.value.code) == ("esp_at.yml:1", "firmware-not-found")
    assert caught.value.message == f"firmware package {firmware!r} does not exist"
    assert caught.value.hint == hint.format(path=folder / firmware)


@pytest.mark.parametrize(
    "text",
    ["v4.1.1.0", "4.1.1.0", "V2.0", "latest", "https://example.com/a.zip", "ESP32-SOLO-AT-V4.1.1.0", "FILE:///a.zip"],
)
def test_firmware_by_name(folder, text):
    named = Firmware(Text(text, Place.at(file="esp_at.yml", line=1)))
    assert make_request([project_layer(folder, f"firmware: {text}")]).firmware == named


def test_a_file_goes_before_a_released_package_of_its_name(folder):
    file = folder / "ESP32-SOLO-AT-V4.1.1.0.zip"
    file.write_bytes(b"")
    assert make_request([project_layer(folder, f"firmware: {file.name}")]).firmware.path == file


def test_firmware_in_a_closed_folder(folder, monkeypatch):
    def closed(*_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    layer = project_layer(folder, "firmware: fw.zip")
    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(EspAtError) as caught:
        make_request([layer])
    assert str(caught.value) == (
        "esp_at.yml:1: firmware package 'fw.zip' can't be read: Permission denied\n"
        f"  see who owns it: ls -ld {shlex.quote(str(folder / 'fw.zip'))}"
    )
    assert caught.value.code == "unreadable"

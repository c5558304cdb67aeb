"""The commands that need no device: info, package and table."""

from __future__ import annotations

import pytest
from sample_project import SampleProject

from platformio_esp_at.commands import packaging
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, LayoutError
from platformio_esp_at.events import Described, Noticed, Packaged, Planned, TableMade
from platformio_esp_at.firmware.lock import read_lock
from platformio_esp_at.formats.lock_file import LockedPartition
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.outputs.image_set import MANIFEST, image_set


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def test_info_writes_nothing(project):
    packaging.info(project.setup())
    assert project.files() == {"AT_PACK.zip", "esp_at.yml"}
    (event,) = project.reported
    assert isinstance(event, Described)
    assert event.plan.module.name == "WROOM-32"
    assert "AT module: WROOM-32 (the only module of firmware package AT_PACK)" in project.text
    assert "# 0x100000  1536KB  ota_0                 16464  firmware package" in project.text
    assert "= 0x280000  1536KB  ota_1\n" in project.text
    assert "AT commands    GPIO17  GPIO16  GPIO15  GPIO14  115200" in project.text


def test_package_writes_the_image_set(project):
    plan = packaging.package(project.setup())
    assert {path.relative_to(project.out).as_posix() for path in project.out.rglob("*") if path.is_file()} == set(
        image_set(plan)
    )
    assert project.reported == [Planned(plan), Packaged(plan, project.out)]
    assert "AT module: WROOM-32" in project.text
    assert project.text.endswith(f"Wrote {len(plan.regions)} images and the factory image to {project.out}\n")


def test_package_reports_warnings(project):
    """A build shows them, too: nobody need ask for the plan."""
    project.write("firmware: AT_PACK.zip\nfactory_param: {uart_tx_pin: 0}\n")
    plan = packaging.package(project.setup())
    assert [notice.code for notice in plan.notes] == ["pin-strapping"]
    assert project.reported == [Planned(plan), *map(Noticed, plan.notes), Packaged(plan, project.out)]


def test_an_earlier_image_set_survives_a_refusal(project):
    packaging.package(project.setup())
    before = (project.out / MANIFEST).read_bytes()
    project.write("firmware: AT_PACK.zip\nskip: [factory_param]\n")
    with pytest.raises(EspAtError, match="factory_param can't be skipped") as caught:
        packaging.package(project.setup())
    assert caught.value.where == "esp_at.yml:2"
    assert (project.out / MANIFEST).read_bytes() == before


def test_a_folder_package_gives_the_same_images(project):
    for name, data in sample_package("esp32").items():
        file = project.root / "AT_PACK" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    zipped = packaging.package(project.setup())
    unpacked = packaging.package(project.setup(firmware="AT_PACK"))
    assert unpacked.factory_image() == zipped.factory_image()


# --- partitions of the project's own, from one release to the next ---


@pytest.fixture
def own(tmp_path) -> SampleProject:
    """Return a project with a partition of its own, and with packages of both generations, the old one in use.

    What is free in the old one, in front of the certificates, is in the middle of the new one's mfg_nvs.
    """
    project = SampleProject(tmp_path, "esp32s2")
    write_sample_package(tmp_path / "NEW.zip", "esp32s2", nvs=True)
    (tmp_path / "own.csv").write_text("my_data, 0x40, 0x20, , 8K\n")
    project.write("firmware: AT_PACK.zip\npartitions: own.csv\n")
    return project


MY_DATA = LockedPartition("esp32s2", "MINI", "my_data", 0x21000)


def _codes(plan) -> list[tuple[str, bool]]:
    return [(notice.code, notice.is_warning) for notice in plan.notes]


def test_where_it_is_placed_is_recorded(own):
    packaging.info(own.setup())
    assert not (own.root / "esp_at.lock").exists()
    plan = packaging.package(own.setup())
    assert _codes(plan) == [("partition-moved", False)]
    assert read_lock(own.root).partitions == (MY_DATA,)
    again = packaging.package(own.setup())
    assert (again.secondary, again.regions, again.kept) == (plan.secondary, plan.regions, plan.kept)
    assert _codes(again) == []


def test_it_is_kept(own):
    plan = packaging.package(own.setup())
    assert "my_data" in {row.name for row in plan.kept}
    (table,) = (region for region in plan.regions if region.name == "at_customize")
    assert table.origin == "firmware package, with own.csv"
    assert PartitionTable.from_bytes(table.data) == plan.secondary


def test_a_release_that_would_move_it_is_refused(own):
    packaging.package(own.setup())
    before = own.files()
    for command in (packaging.info, packaging.package):
        with pytest.raises(LayoutError) as caught:
            command(own.setup(firmware="NEW.zip"))
        assert (caught.value.code, caught.value.where) == ("partition-would-move", "own.csv:1")
        assert caught.value.message == (
            "partition 'my_data' can't stay at 0x21000 with NEW: 'mfg_nvs' (0x21000…0x3d000) is there"
        )
        for way in (
            "content, data: {my_data: FILE}",
            "write 0x3d000 as its offset",
            "remove its entry from partitions:",
        ):
            assert way in caught.value.hint
        assert {"partition": "my_data", "recorded": 0x21000, "offset": 0x3D000}.items() <= caught.value.facts.items()
    assert own.files() == before
    assert read_lock(own.root).partitions == (MY_DATA,)


def test_with_content_it_may_move(own):
    packaging.package(own.setup())
    (own.root / "my.bin").write_bytes(b"mine")
    plan = packaging.package(own.setup(firmware="NEW.zip", data="my_data = my.bin"))
    assert plan.factory_image()[0x3D000:].startswith(b"mine")
    assert _codes(plan) == []
    assert read_lock(own.root).partitions == (MY_DATA._replace(offset=0x3D000),)


def test_with_an_offset_it_may_move_and_a_warning_says_so(own):
    packaging.package(own.setup())
    (own.root / "own.csv").write_text("my_data, 0x40, 0x20, 0x3d000, 8K\n")
    plan = packaging.package(own.setup(firmware="NEW.zip"))
    (notice,) = plan.notes
    assert (notice.code, notice.is_warning, str(notice.place)) == ("partition-moved", True, "own.csv:1")
    assert notice.message == "'my_data' (0x3d000…0x3f000) was at 0x21000: what it held is not moved"
    assert notice.hint == (
        "it can't stay there, since 'mfg_nvs' (0x21000…0x3d000) is there: "
        "if it needs content, write data: {my_data: FILE}"
    )
    assert read_lock(own.root).partitions == (MY_DATA._replace(offset=0x3D000),)
    assert _codes(packaging.package(own.setup(firmware="NEW.zip"))) == []


def test_moved_by_the_csv_alone(own):
    packaging.package(own.setup())
    (own.root / "own.csv").write_text("my_data, 0x40, 0x20, 0x3d000, 8K\n")
    (notice,) = packaging.package(own.setup()).notes
    assert (notice.code, notice.hint) == ("partition-moved", "to keep what it holds, write 0x21000 as its offset")


def test_without_its_entry_it_is_placed_anew(own):
    packaging.package(own.setup())
    (own.root / "esp_at.lock").unlink()
    plan = packaging.package(own.setup(firmware="NEW.zip"))
    assert plan.secondary.find("my_data").offset == 0x3D000
    assert _codes(plan) == [("partition-moved", False)]


def test_it_stays_where_it_can(own):
    """The old release has room in front, but the module has it behind: a way back from the new release."""
    packaging.package(own.setup(firmware="NEW.zip"))
    plan = packaging.package(own.setup())
    assert plan.secondary.find("my_data").offset == 0x3D000
    (notice,) = plan.notes
    assert (notice.code, notice.is_warning, notice.facts) == ("partition-stays", False, {"partition": "my_data"})
    assert "'my_data' (0x3d000…0x3f000) stays where esp_at.lock has it" in notice.message


def test_each_module_has_its_own_record(own):
    packaging.package(own.setup())
    module = "{name: OURS, based_on: MINI}"
    plan = packaging.package(own.setup(firmware="NEW.zip", module=module))
    assert plan.secondary.find("my_data").offset == 0x3D000
    assert read_lock(own.root).partitions == (MY_DATA, MY_DATA._replace(module="OURS", offset=0x3D000))


def test_offsets_of_the_csv_are_not_recorded(own):
    (own.root / "own.csv").write_text("my_data, 0x40, 0x20, 0x3d000, 8K\n")
    packaging.package(own.setup())
    assert not (own.root / "esp_at.lock").exists()


def test_a_whole_table_is_not_recorded(own):
    table = PartitionTable.from_bytes(sample_package("esp32s2")["at_customize.bin"]).to_csv()
    (own.root / "own.csv").write_text(f"{table}my_data, 0x40, 0x20, 0x60000, 8K\n")
    packaging.package(own.setup())
    assert not (own.root / "esp_at.lock").exists()


def test_the_record_and_the_firmware_are_in_one_file(own):
    url = (own.root / "AT_PACK.zip").as_uri()
    packaging.package(own.setup(firmware=url))
    lock = read_lock(own.root)
    assert ([entry.firmware for entry in lock.packages], lock.partitions) == ([url], (MY_DATA,))
    with pytest.raises(LayoutError) as caught:
        packaging.package(own.setup(firmware=(own.root / "NEW.zip").as_uri()))
    assert caught.value.code == "partition-would-move"
    assert read_lock(own.root) == lock


# --- tables ---


def _table(project: SampleProject, *, primary: bool = False, of_package: bool = False, **options: str) -> TableMade:
    packaging.table(project.setup(**options), primary=primary, of_package=of_package)
    return project.reported.pop()


def test_the_table_of_a_project(own):
    before = own.files()
    made = _table(own)
    assert own.files() == before
    assert made.sources == ("AT_PACK", "own.csv")
    assert made.csv.splitlines()[1] == "my_data, 0x40, 0x20, 0x21000, 0x2000"
    assert (str(made.home), made.free) == (
        "'at_customize' (0x20000…0x100000)",
        ((0x23000, 0x24000), (0x3D000, 0x70000)),
    )
    packaging.package(own.setup(firmware="NEW.zip"))
    assert "my_data, 0x40, 0x20, 0x3d000, 0x2000" in _table(own).csv


def test_the_table_of_a_project_with_a_whole_table(own):
    (own.root / "own.csv").write_text("factory_param, 0x40, 8, , 4K\n")
    made = _table(own)
    assert (made.sources, made.csv.splitlines()[1:]) == (
        ("own.csv",),
        ["factory_param, 0x40, 0x08, 0x21000, 0x1000"],
    )


@pytest.mark.parametrize("options", ["", "partitions: not-there-yet.csv\n", "pki: {mqtt_ca: not-there.pem}\n"])
def test_the_table_of_a_package_alone(own, options):
    """The rest of the project may be unfinished: this is what one starts from."""
    own.write(f"firmware: AT_PACK.zip\n{options}")
    package = sample_package("esp32s2")
    made = _table(own, of_package=True)
    assert made.sources == ("AT_PACK",)
    assert made.csv == PartitionTable.from_bytes(package["at_customize.bin"]).to_csv()
    assert made.free == ((0x21000, 0x24000), (0x3D000, 0x70000))
    primary = _table(own, primary=True)
    table = PartitionTable.from_bytes(package["partition_table/partition-table.bin"])
    assert primary == TableMade(("AT_PACK",), table.to_csv())


def test_what_a_project_prints_can_be_its_whole_table(own):
    plan = packaging.package(own.setup())
    own.reported.clear()
    (own.root / "whole.csv").write_text(_table(own).csv)
    again = packaging.package(own.setup(partitions="whole.csv"))
    assert again.secondary == plan.secondary
    assert again.factory_image() == plan.factory_image()


def test_a_table_that_cannot_be_made(own):
    (own.root / "own.csv").write_text("my_data, 0x40, 0x20, , 1M\n")
    with pytest.raises(LayoutError) as caught:
        _table(own)
    assert caught.value.code == "partition-no-room"
    (own.root / "own.csv").write_text("")
    with pytest.raises(FormatError) as caught:
        _table(own)
    assert caught.value.code == "table-empty"

"""The corpus of harmful faults: each is refused before esptool starts, or warned of where the module still works."""

from __future__ import annotations

import functools
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from faults.case import Case
from faults.cases import sample_cases
from faults.corpus import Judge, every_case, known_misses, rules
from faults.rule import MOST, Fault
from faults.rules_certificates import tls
from faults.trial import Outcome, new_notices, try_case
from platformio_esp_at.catalog.boards import select_module
from platformio_esp_at.catalog.modules import module, modules
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.request.board_manifests import PLATFORM, find_board

RULES = rules()
HAS_REFERENCE = bool(os.environ.get("ESP_AT_REFERENCE"))


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Return what remembers the clean cases."""
    return Judge()


@functools.cache
def _faults() -> list[Fault]:
    return [fault for rule in RULES.values() for fault in rule.faults(every_case())]


def test_the_corpus_is_large():
    made = Counter(fault.rule.name for fault in _faults())
    assert len(RULES) >= 60
    assert max(made.values()) <= MOST == 20
    assert made.total() >= (3000 if HAS_REFERENCE else 1500)


def test_every_rule_makes_faults_of_some_case():
    """Some are made of the reference data alone."""
    unmade = RULES.keys() - {fault.rule.name for fault in _faults()}
    assert not unmade if HAS_REFERENCE else unmade <= NEED_REFERENCE


def test_hardly_any_fault_is_missed():
    """Which they are, each rule's test says."""
    names = {fault.name for fault in _faults()}
    assert len(names & known_misses()) <= 0.01 * len(names)
    if HAS_REFERENCE:
        assert known_misses() <= names


def test_few_rules_only_warn():
    """And each says why the module still boots, answers and has TLS."""
    warned = [fault for fault in _faults() if fault.rule.still_works is not None]
    assert len(warned) <= 0.1 * len(_faults())
    assert all(rule.still_works is None or len(rule.still_works) > 30 for rule in RULES.values())
    assert all(rule.harm for rule in RULES.values())


@pytest.mark.parametrize("name", RULES)
def test_rule(name, judge):
    """Refused for a reason that is about the fault, or warned of where the rule allows it; the others are listed."""
    judged = judge.of_rule(RULES[name], every_case())
    missed = {one.fault.name: one.verdict.said for one in judged if one.verdict.outcome is Outcome.MISSED}
    listed = {one.fault.name for one in judged} & known_misses()
    assert missed.keys() == listed, missed


@pytest.mark.parametrize("case", every_case(), ids=lambda case: case.name)
class TestClean:
    """No finding on what is right."""

    def test_package(self, case: Case):
        trial = try_case(case)
        assert (trial.refusals, trial.crash) == ((), None)
        assert [str(found) for found in trial.notices if found.is_warning] == []

    def test_other_modules_of_the_same_firmware(self, case: Case):
        own = module(case.chip_name, case.module)
        for row in modules(case.chip_name):
            if (row.module_config, row.flash_size, row.bus) == (own.module_config, own.flash_size, own.bus):
                trial = try_case(replace(case, module=row.name))
                found = [*trial.refusals, *(notice for notice in trial.notices if notice.is_warning)]
                assert {one.code for one in found} <= {"module-not-in-release"}, row.name

    def test_boards(self, case: Case):
        """The wiring of a board may be in the way; nothing else is said of one that carries the package's module."""
        for board in (find_board(file.stem) for file in sorted((PLATFORM / "boards").glob("*.json"))):
            if board.mcu == case.chip_name and select_module(board).module == case.module:
                trial = try_case(replace(case, module=None, board=board))
                assert (trial.refusals, trial.crash) == ((), None), board.id
                assert {one.code for one in trial.notices if one.is_warning} <= {"pin-of-board"}, board.id

    def test_certificates(self, case: Case):
        trial = try_case(tls(case))
        assert (trial.refusals, trial.crash) == ((), None)
        assert new_notices(trial, try_case(case)) == []


@pytest.mark.parametrize("chip", sorted({case.chip_name for case in sample_cases()}))
@pytest.mark.parametrize("nvs", [False, True], ids=["factory_param", "mfg_nvs"])
def test_clean_package_of_every_module(chip, nvs):
    checked = 0
    for row in modules(chip):
        try:
            files = sample_package(chip, module=row.name, nvs=nvs)
        except EspAtError:
            continue  # no sample of that generation, or for so little flash
        trial = try_case(
            Case(f"SAMPLE-{row.name}", chip, row.name, {p: d for p, d in files.items() if "factory/" not in p})
        )
        found = [*trial.refusals, *(notice for notice in trial.notices if notice.is_warning)]
        assert (found, trial.crash) == ([], None), row.name
        checked += 1
    assert checked


def test_missed_faults_are_sorted():
    lines = [
        line for line in (Path(__file__).parent / "missed.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert lines == sorted(set(lines))


NEED_REFERENCE = {"application-of-other-generation", "programs-swapped"}
"""Rules for Espressif's own programs."""

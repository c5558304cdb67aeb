"""What pyproject.toml can't say: the examples at the top are a package, and an index needs links that leave it."""

import re
import sys
from pathlib import Path

from setuptools import find_packages, setup

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]

README = (ROOT / "README.md").read_text(encoding="utf-8")
# A picture's address is its file, all others are pages.
PICTURES = SOURCE.replace("https://github.com/", "https://raw.githubusercontent.com/")
README = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\1{PICTURES}/main/", README)
README = re.sub(r"\]\((?!https?:|#)", f"]({SOURCE}/blob/main/", README)

setup(
    # No namespace packages: every folder that somebody has made would count as one.
    packages=[*find_packages(include=["platformio_esp_at", "platformio_esp_at.*"]), "platformio_esp_at.examples"],
    long_description=README,
    long_description_content_type="text/markdown",
)

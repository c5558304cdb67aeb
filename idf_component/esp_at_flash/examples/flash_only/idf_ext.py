"""idf.py at-flash and its relatives, of the component esp_at_flash: the same file for ESP-IDF 5 and 6."""

import glob, importlib.util, os, sys


def action_extensions(base_actions, project_path):
    try:
        for folder in ("components", "managed_components"):
            for file in glob.glob(os.path.join(glob.escape(project_path), folder, "*esp_at_flash", "esp_at_idf.py")):
                spec = importlib.util.spec_from_file_location("esp_at_idf", file)
                component = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(component)
                return component.action_extensions(base_actions, project_path)
        if any(word.startswith("at-") for word in sys.argv[1:]):
            sys.stderr.write("The component esp_at_flash isn't here yet: run idf.py reconfigure first\n")
    except Exception as error:  # else it would end every idf.py command
        sys.stderr.write("WARNING: idf.py at-flash can't be offered: %s\n" % error)
    return {"version": "1", "actions": {}}

# Runs esp-at, once something is to be packaged or flashed:
#
#     cmake -D ESP_AT_COMMAND=package|flash -D PYTHON=… -D LAUNCHER=… -D PROJECT_DIR=… -D PROJECT_FILE=…
#           -D SDKCONFIG=… -D OUTPUT=… -D DEPFILE=… -P …
#
# PROJECT_FILE is empty for esp_at.yml of PROJECT_DIR, which need not be there.
#
# LAUNCHER is a folder that Python runs: esp-at with packages of its own. Nothing is installed into PYTHON.
#
# ESPPORT and ESPBAUD are read here, and not when CMake makes the build files: so they can differ every time.
cmake_minimum_required(VERSION 3.16)

set(command "${PYTHON}" "${LAUNCHER}" ${ESP_AT_COMMAND}
    -C "${PROJECT_DIR}" -o "${OUTPUT}" --sdkconfig "${SDKCONFIG}")
set(options_file "${PROJECT_DIR}/esp_at.yml")
set(action "at-flash")
if(PROJECT_FILE)
    list(APPEND command -f "${PROJECT_FILE}")
    set(options_file "${PROJECT_FILE}")
    set(action "at-flash --project-file ${PROJECT_FILE}")
endif()
get_filename_component(options_name "${options_file}" NAME)

if(ESP_AT_COMMAND STREQUAL "package")
    list(APPEND command --depfile "${DEPFILE}")
else()
    # Where the project file names the port of the AT module, ESPPORT is that of the program's chip.
    set(named)
    if(EXISTS "${options_file}")
        file(STRINGS "${options_file}" named REGEX "^(port|baud)[ \t]*:[ \t]*[^ \t#]")
    endif()
    if(NOT "${named}" MATCHES "(^|;)port")
        if("$ENV{ESPPORT}" STREQUAL "")
            message(FATAL_ERROR "No port is named for the AT module. "
                "idf.py passes no -p to a target of CMake: set the environment variable ESPPORT, "
                "or write port: PORT into ${options_name}, or use idf.py -p PORT ${action} (see the component's README).")
        endif()
        set(ENV{ESPTOOL_PORT} "$ENV{ESPPORT}") # with -p, a hint would name -p, which idf.py doesn't pass
    endif()
    if(NOT "${named}" MATCHES "(^|;)baud" AND NOT "$ENV{ESPBAUD}" STREQUAL "")
        list(APPEND command -b "$ENV{ESPBAUD}")
    endif()
endif()

# ESP-IDF 6.1 keeps a copy of what idf.py flash has written next to each image; a folder with such is no image set.
file(GLOB_RECURSE copies "${OUTPUT}/*_flashed.bin")
if(copies)
    file(REMOVE ${copies})
endif()

execute_process(COMMAND ${command} RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "esp-at ${ESP_AT_COMMAND} has failed; see its message above.")
endif()

# An image that was deleted or changed is made again: the depfile lists the images as inputs of the manifest, too. They
# can't be outputs in CMake, since their names aren't known before packaging. CMake 3.19 is the first that reads JSON;
# an older one doesn't use the depfile for the build (see project_include.cmake).
if(ESP_AT_COMMAND STREQUAL "package" AND NOT CMAKE_VERSION VERSION_LESS 3.19)
    set(manifest "${OUTPUT}/esp_at_manifest.json")
    file(READ "${manifest}" json)
    string(JSON count LENGTH "${json}" files)
    math(EXPR last "${count} - 1")
    set(images)
    foreach(index RANGE ${last})
        string(JSON path GET "${json}" files ${index})
        set(file "${OUTPUT}/${path}")
        if(NOT file STREQUAL manifest)
            string(REPLACE "$" "$$" file "${file}")
            string(REPLACE "#" "\\#" file "${file}")
            string(REPLACE " " "\\ " file "${file}")
            string(APPEND images " \\\n  ${file}")
        endif()
    endforeach()
    file(READ "${DEPFILE}" depfile)
    string(STRIP "${depfile}" depfile)
    file(WRITE "${DEPFILE}" "${depfile}${images}\n")
    file(TOUCH "${manifest}") # newer than its images, or it would always be out of date
endif()

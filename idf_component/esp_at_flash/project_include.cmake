# What CMakeLists.txt calls, once the targets of esptool_py and partition_table are there, and what a project calls.

set_property(GLOBAL PROPERTY __ESP_AT_FLASH_DIR "${CMAKE_CURRENT_LIST_DIR}") # a function has that of its caller

# esp_at_flash_add_targets
#
# @brief Add the targets at_image, which writes the image set of the AT module into <build>/esp_at,
#        and at_image-flash, which flashes it.
#
# Flashing is left to the Python package: the AT module may be another chip than the project's, and its bootloader is
# written as the firmware package has it. esptool_py_custom_target() would take the project's chip and flash settings
# for both. No offset is needed before packaging, so that neither target needs CMake to run again.
function(esp_at_flash_add_targets)
    idf_build_get_property(target IDF_TARGET)
    if(BOOTLOADER_BUILD OR CMAKE_BUILD_EARLY_EXPANSION OR target STREQUAL "linux")
        return()
    endif()
    idf_build_get_property(build_dir BUILD_DIR)
    idf_build_get_property(project_dir PROJECT_DIR)

    set(output "${build_dir}/esp_at")
    set(depfile "${build_dir}/esp_at.d")
    __esp_at_flash_find_package(package)
    __esp_at_flash_command(run "${package}" "${output}" "${depfile}" "")
    __esp_at_flash_explain_actions("${project_dir}")
    if(NOT EXISTS "${package}")
        __esp_at_flash_refuse_copy(at_image)
        return()
    endif()
    if("${CONFIG_ESP_AT_FIRMWARE}" STREQUAL "" AND NOT EXISTS "${project_dir}/esp_at.yml")
        file(GLOB others RELATIVE "${project_dir}" "${project_dir}/esp_at_*.yml")
        string(REPLACE ";" ", " others "${others}")
        if(others)
            set(others ". For ${others}, use the targets that esp_at_create_module_image has added, \
or idf.py at-flash --project-file FILE")
        endif()
        __esp_at_flash_refuse(at_image "no ESP-AT firmware package is named: name it in menuconfig (AT module), \
or write firmware: latest into ${project_dir}/esp_at.yml, and run idf.py reconfigure${others}")
        return()
    endif()

    get_filename_component(firmware "${CONFIG_ESP_AT_FIRMWARE}" ABSOLUTE BASE_DIR "${project_dir}")
    if(firmware STREQUAL build_dir)
        set(is_own_build TRUE)
    endif()
    idf_build_get_property(sdkconfig SDKCONFIG)
    if(is_own_build)
        # What a build makes is not known to be an input before it has run.
        __esp_at_flash_add_image(at_image RUN ${run} COMMENT "Packaging the AT firmware"
            FLASH_COMMENT "Flashing the AT module")
    else()
        __esp_at_flash_add_image(at_image RUN ${run} COMMENT "Packaging the AT firmware"
            FLASH_COMMENT "Flashing the AT module"
            OUTPUT "${output}/esp_at_manifest.json" DEPFILE "${depfile}"
            DEPENDS "${sdkconfig}" "${package}/__init__.py")
    endif()

    if(is_own_build)
        __esp_at_flash_depend_on_build(at_image at_image-flash)
    endif()
    if(CONFIG_ESP_AT_FLASH_WITH_APP)
        if(is_own_build)
            set(problem "the firmware package is this project's own build, whose idf.py flash writes all of it already")
        else()
            __esp_at_flash_join(problem "${target}" "${output}" "${depfile}" ${run})
        endif()
        if(problem)
            __esp_at_flash_refuse_join("${problem}")
        endif()
    endif()
endfunction()

# esp_at_create_module_image
#
# @brief Add the targets of a further AT module, which has a project file of its own: at_image_<name>, which writes its
#        image set into <build>/esp_at_<name>/esp_at, and at_image_<name>-flash, which flashes it.
#
# Call it in the project's CMakeLists.txt after project(), or in that of a component after idf_component_register(). The
# module is next to this project's chip, on a port of its own: neither target is part of idf.py build or idf.py flash.
#
# @param[in]           name     Name of the module, in the names of its targets: letters, digits, _ and -.
# @param[in]           file     Its project file; a relative path starts at the folder of the CMakeLists.txt. It has to
#                               be there, unless DEPENDS names it.
# @param[in, optional] DEPENDS  (multivalue) Files and targets that have to be made first, such as a certificate.
function(esp_at_create_module_image name file)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPENDS")
    set(at_image "at_image_${name}")
    if(NOT "${name}" MATCHES "^[A-Za-z0-9_-]+$")
        message(FATAL_ERROR "esp_at_create_module_image: '${name}' can't be part of a target's name: \
take letters, digits, _ and - alone, such as left")
    endif()
    if(NOT "${arg_UNPARSED_ARGUMENTS}" STREQUAL "")
        message(FATAL_ERROR "esp_at_create_module_image(${name}): unknown argument ${arg_UNPARSED_ARGUMENTS}: \
it takes DEPENDS alone. A further module is not part of idf.py flash, since it is on another port")
    endif()
    if(TARGET ${at_image} OR TARGET ${at_image}-flash)
        message(FATAL_ERROR "esp_at_create_module_image(${name}): there is a target ${at_image} or ${at_image}-flash \
already: give each module another name")
    endif()
    idf_build_get_property(target IDF_TARGET)
    if(BOOTLOADER_BUILD OR CMAKE_BUILD_EARLY_EXPANSION OR target STREQUAL "linux")
        return()
    endif()
    set(given "${file}")
    get_filename_component(file "${file}" ABSOLUTE)
    set(is_made FALSE)
    foreach(made IN LISTS arg_DEPENDS)
        get_filename_component(in_source "${made}" ABSOLUTE)
        get_filename_component(in_binary "${made}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
        if("${file}" STREQUAL "${in_source}" OR "${file}" STREQUAL "${in_binary}")
            set(is_made TRUE)
        endif()
    endforeach()
    if(NOT EXISTS "${file}" AND NOT is_made)
        message(FATAL_ERROR "esp_at_create_module_image(${name} ${given}): there is no project file ${file}: \
write its name as it is, or name the file in DEPENDS if the build makes it")
    endif()
    idf_build_get_property(build_dir BUILD_DIR)
    __esp_at_flash_find_package(package)
    if(NOT EXISTS "${package}")
        __esp_at_flash_refuse_copy(${at_image})
        return()
    endif()

    set(folder "${build_dir}/esp_at_${name}")
    set(output "${folder}/esp_at")
    set(depfile "${folder}/esp_at.d")
    __esp_at_flash_command(run "${package}" "${output}" "${depfile}" "${file}")
    __esp_at_flash_add_image(${at_image} RUN ${run} COMMENT "Packaging the AT firmware of ${name}"
        FLASH_COMMENT "Flashing the AT module ${name}"
        OUTPUT "${output}/esp_at_manifest.json" DEPFILE "${depfile}"
        DEPENDS "${package}/__init__.py" ${arg_DEPENDS})
    if(arg_DEPENDS)
        add_dependencies(${at_image}-flash ${at_image})
    endif()
endfunction()

# __esp_at_flash_command
#
# @brief Return the command that runs esp-at, but for what it is to do; its last words are those that cmake -P takes.
#
# @param[out] result        Variable for the command.
# @param[in]  package       Folder of the Python package.
# @param[in]  output        Folder of the image set.
# @param[in]  depfile       File that lists what it was made from.
# @param[in]  project_file  Project file; empty for esp_at.yml, which need not be there.
function(__esp_at_flash_command result package output depfile project_file)
    idf_build_get_property(python PYTHON)
    idf_build_get_property(project_dir PROJECT_DIR)
    idf_build_get_property(sdkconfig SDKCONFIG)
    get_property(component GLOBAL PROPERTY __ESP_AT_FLASH_DIR)
    set(${result} ${CMAKE_COMMAND}
        -D "PYTHON=${python}"
        -D "LAUNCHER=${package}/launcher"
        -D "PROJECT_DIR=${project_dir}"
        -D "PROJECT_FILE=${project_file}"
        -D "SDKCONFIG=${sdkconfig}"
        -D "OUTPUT=${output}"
        -D "DEPFILE=${depfile}"
        -P "${component}/run_esp_at.cmake" PARENT_SCOPE)
endfunction()

# __esp_at_flash_add_image
#
# @brief Add a target that writes an image set, and <target>-flash, which flashes it.
#
# @param[in] target             Name of the target.
# @param[in] RUN                (multivalue) The command, but for what it is to do.
# @param[in] COMMENT            What is printed while the image set is made.
# @param[in] FLASH_COMMENT      What is printed while the module is flashed.
# @param[in, optional] OUTPUT   The file that is newer than all inputs then. Without it, the target always runs.
# @param[in, optional] DEPFILE  The file that lists the inputs.
# @param[in, optional] DEPENDS  (multivalue) Further inputs.
function(__esp_at_flash_add_image target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "COMMENT;FLASH_COMMENT;OUTPUT;DEPFILE" "RUN;DEPENDS")
    list(POP_FRONT arg_RUN cmake)
    if(arg_OUTPUT AND POLICY CMP0116)
        get_property(component GLOBAL PROPERTY __ESP_AT_FLASH_DIR)
        cmake_policy(PUSH)
        cmake_policy(SET CMP0116 NEW) # the depfile has absolute paths
        add_custom_command(OUTPUT "${arg_OUTPUT}"
            COMMAND ${cmake} -D ESP_AT_COMMAND=package ${arg_RUN}
            DEPENDS "${component}/run_esp_at.cmake" ${arg_DEPENDS}
            DEPFILE "${arg_DEPFILE}"
            COMMENT "${arg_COMMENT}"
            VERBATIM)
        cmake_policy(POP)
        add_custom_target(${target} DEPENDS "${arg_OUTPUT}")
    else()
        # CMake before 3.20 has no depfile of ours.
        add_custom_target(${target}
            COMMAND ${cmake} -D ESP_AT_COMMAND=package ${arg_RUN}
            DEPENDS ${arg_DEPENDS}
            COMMENT "${arg_COMMENT}"
            VERBATIM)
    endif()
    # It packages by itself: what is flashed was checked right before, dates of certificates included.
    add_custom_target(${target}-flash
        COMMAND ${cmake} -D ESP_AT_COMMAND=flash ${arg_RUN}
        COMMENT "${arg_FLASH_COMMENT}"
        USES_TERMINAL
        VERBATIM)
endfunction()

# __esp_at_flash_find_package
#
# @brief Find the Python package that does the work: in the component, or in the checkout around it.
#
# @param[out] result   Variable for its folder.
function(__esp_at_flash_find_package result)
    get_property(component GLOBAL PROPERTY __ESP_AT_FLASH_DIR)
    set(package "${component}/platformio_esp_at")
    if(NOT EXISTS "${package}")
        get_filename_component(component "${component}" REALPATH)
        get_filename_component(package "${component}/../../platformio_esp_at" ABSOLUTE)
    endif()
    set(${result} "${package}" PARENT_SCOPE)
endfunction()

# __esp_at_flash_explain_actions
#
# @brief Add a target for each action of our idf.py extension, which prints what to do, and fails.
#
# If idf.py doesn't have an action, it runs the target of that name. Without such a target the command would be unknown,
# and ninja would suggest app-flash, which flashes another program. These targets never flash: idf.py passes them no -p.
#
# @param[in] project_dir   The project's folder.
function(__esp_at_flash_explain_actions project_dir)
    set(ours "${CMAKE_CURRENT_LIST_DIR}/examples/flash_only/idf_ext.py")
    set(extension "${project_dir}/idf_ext.py")
    set(loads_ours)
    if(EXISTS "${extension}")
        file(STRINGS "${extension}" loads_ours REGEX "esp_at_idf")
    endif()
    # Where idf_ext.py looks: it runs before CMake does.
    file(GLOB found
        "${project_dir}/components/*esp_at_flash/esp_at_idf.py"
        "${project_dir}/managed_components/*esp_at_flash/esp_at_idf.py")
    get_filename_component(parent "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
    if(parent STREQUAL "${project_dir}/components" OR parent STREQUAL "${project_dir}/managed_components")
        set(is_in_place TRUE)
    endif()
    if(NOT EXISTS "${extension}")
        set(step "To add it, copy ${ours} into ${project_dir}")
    elseif(NOT loads_ours)
        set(step "To add it, let ${extension} return the actions of ${ours}, too")
    elseif(NOT found AND is_in_place)
        set(step "To add it, rename ${CMAKE_CURRENT_LIST_DIR} to esp_at_flash")
    elseif(NOT found)
        set(step "To add it, link ${CMAKE_CURRENT_LIST_DIR} into ${project_dir}/components")
    else()
        set(step "Run the command again if this component was not there yet; \
else see the WARNING in the first lines of the output")
    endif()

    set(instead_of_at-package ", or use: idf.py at_image")
    set(instead_of_at-flash ", or use: ESPPORT=PORT idf.py at_image-flash")
    foreach(action at-package at-flash at-flash-factory at-verify at-test at-erase at-backup at-restore at-info at-table
        at-report)
        __esp_at_flash_add_failing(${action}
            "idf.py doesn't have the command ${action} yet. ${step}${instead_of_${action}}")
    endforeach()
endfunction()

# __esp_at_flash_refuse
#
# @brief Add the targets of a module so that each fails with a message.
function(__esp_at_flash_refuse at_image message)
    foreach(target ${at_image} ${at_image}-flash)
        __esp_at_flash_add_failing(${target} "${message}")
    endforeach()
    if(CONFIG_ESP_AT_FLASH_WITH_APP AND at_image STREQUAL "at_image")
        __esp_at_flash_refuse_join("${message}")
    endif()
endfunction()

function(__esp_at_flash_refuse_copy at_image)
    get_property(component GLOBAL PROPERTY __ESP_AT_FLASH_DIR)
    __esp_at_flash_refuse(${at_image} "${component} has no folder platformio_esp_at: \
it is a copy from a checkout, where a link has to be")
endfunction()

# __esp_at_flash_refuse_join
#
# @brief Let plain "idf.py flash" fail with a message, rather than leave out what the user wants with it.
#
# CMake itself goes on: menuconfig must stay within reach.
function(__esp_at_flash_refuse_join message)
    set(message "idf.py flash can't write the AT module's part (CONFIG_ESP_AT_FLASH_WITH_APP): ${message}")
    message(WARNING "${message}")
    __esp_at_flash_add_failing(at_image-with-app "${message}")
    add_dependencies(flash at_image-with-app)
endfunction()

function(__esp_at_flash_add_failing target message)
    # In a file of its own: ninja prints the command that has failed twice, and the message would be in each of them.
    set(script "${CMAKE_CURRENT_BINARY_DIR}/${target}.cmake")
    file(WRITE "${script}" "message([==[Error: ${message}]==])\n")
    add_custom_target(${target}
        COMMAND ${CMAKE_COMMAND} -P "${script}"
        COMMAND ${CMAKE_COMMAND} -E false
        VERBATIM)
endfunction()

# __esp_at_flash_depend_on_build
#
# @brief Let targets run after what an esp-at checkout builds.
function(__esp_at_flash_depend_on_build)
    foreach(target IN LISTS ARGN)
        add_dependencies(${target} app)
        foreach(part bootloader partition_table_bin blank_ota_data)
            if(TARGET ${part})
                add_dependencies(${target} ${part})
            endif()
        endforeach()
    endforeach()
endfunction()

# __esp_at_flash_join
#
# @brief Let plain "idf.py flash" write the content of at_customize, too.
#
# Bootloader, partition table and application lie at the same offsets in every firmware package as in a project, which
# writes its own. It has no at_customize of its own, and the firmware finds the rest by that. The images have to be
# known here, since IDF writes flash_args when CMake runs: so CMake runs again when an input changes.
#
# @param[out] problem  Variable for what is wrong; empty if nothing is.
# @param[in]  target   The project's chip.
# @param[in]  output   Folder of the image set.
# @param[in]  depfile  File that lists what it was made from.
# @param[in]  ARGN     The command that makes it, but for what it is to do.
function(__esp_at_flash_join problem target output depfile)
    list(GET ARGN 0 cmake)
    list(REMOVE_AT ARGN 0)
    execute_process(COMMAND ${cmake} -D ESP_AT_COMMAND=package ${ARGN}
        RESULT_VARIABLE failed
        OUTPUT_QUIET
        ERROR_VARIABLE error)
    if(failed)
        string(REGEX REPLACE "\nCMake Error.*" "" error "${error}")
        set(${problem} "${error}" PARENT_SCOPE)
        return()
    endif()
    __esp_at_flash_configure_again("${depfile}" "${output}")

    file(READ "${output}/flasher_args.json" flasher_args)
    string(REGEX MATCH "\"chip\": \"([^\"]+)\"" chip "${flasher_args}")
    set(chip "${CMAKE_MATCH_1}")
    if(NOT "${chip}" STREQUAL "${target}")
        set(${problem} "the AT firmware is for ${chip}, and this project is for ${target}" PARENT_SCOPE)
        return()
    endif()
    partition_table_get_partition_info(home "--partition-name at_customize" "offset")
    partition_table_get_partition_info(size "--partition-name at_customize" "size")
    partition_table_get_partition_info(encrypted "--partition-name at_customize" "encrypted")
    if(encrypted)
        set(plaintext)
    else()
        set(plaintext ALWAYS_PLAINTEXT)
    endif()

    set(joined)
    set(place)
    file(READ "${output}/download.config" download_config)
    string(REGEX MATCHALL "0x[0-9A-Fa-f]+ [^ \n]+" pairs "${download_config}")
    foreach(pair IN LISTS pairs)
        string(REGEX MATCH "^([^ ]+) (.+)$" pair "${pair}")
        set(offset "${CMAKE_MATCH_1}")
        set(image "${CMAKE_MATCH_2}")
        get_filename_component(name "${image}" NAME_WE)
        if(name STREQUAL "at_customize")
            set(place "${offset}")
        endif()
        if(home AND size)
            math(EXPR inside "${offset} - ${home}")
            math(EXPR end "${size}")
            if(NOT inside LESS 0 AND inside LESS end)
                list(APPEND joined "${name}|${offset}|${output}/${image}")
            endif()
        endif()
    endforeach()
    if(NOT home OR NOT size)
        set(${problem} "the project's partition table has no partition at_customize; \
the AT firmware has it at ${place}" PARENT_SCOPE)
        return()
    endif()
    math(EXPR moved "${place} - ${home}")
    if(NOT moved EQUAL 0)
        set(${problem} "the project's partition table has at_customize at ${home}, \
the AT firmware at ${place}" PARENT_SCOPE)
        return()
    endif()

    foreach(image IN LISTS joined)
        string(REPLACE "|" ";" image "${image}")
        list(GET image 0 name)
        list(GET image 1 offset)
        list(GET image 2 file)
        esptool_py_flash_target_image(flash "at_image-${name}" "${offset}" "${file}" ${plaintext})
    endforeach()
    add_dependencies(flash at_image)
    set(${problem} "" PARENT_SCOPE)
endfunction()

# __esp_at_flash_configure_again
#
# @brief Let CMake run again when one of the files that a depfile lists has changed.
#
# Those in the folder `output` don't count: CMake itself makes them, and would run in a loop. at_image watches them.
function(__esp_at_flash_configure_again depfile output)
    file(READ "${depfile}" text)
    string(STRIP "${text}" text)
    string(REPLACE " \\\n  " ";" files "${text}")
    list(REMOVE_AT files 0) # what is made
    foreach(file IN LISTS files)
        string(REPLACE "\\ " " " file "${file}")
        string(REPLACE "\\#" "#" file "${file}")
        string(REPLACE "$$" "$" file "${file}")
        string(FIND "${file}" "${output}/" start)
        if(NOT start EQUAL 0)
            set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
        endif()
    endforeach()
endfunction()

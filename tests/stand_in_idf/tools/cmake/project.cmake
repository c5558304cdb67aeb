# Stands in for ESP-IDF's file of this name, which a project's CMakeLists.txt includes: a real CMake runs the component on
# functions that record their calls, and nothing is compiled.
#
# idf.py, or a test, gives PYTHON and, before there is an sdkconfig, IDF_TARGET. COMPONENT is the folder of the component,
# if it is not in the project. What is BOOTLOADER_BUILD, at_customize_offset and the like to ESP-IDF, a test may give, too.

function(record)
    list(JOIN ARGN "|" call)
    file(APPEND "${CMAKE_BINARY_DIR}/calls.txt" "${call}\n")
endfunction()

function(idf_build_get_property result property)
    set(${result} "${${property}}" PARENT_SCOPE)
endfunction()

function(idf_component_register)
    record(idf_component_register ${ARGN})
endfunction()

function(esptool_py_flash_target_image target name offset image)
    file(RELATIVE_PATH image "${BUILD_DIR}" "${image}")
    record(esptool_py_flash_target_image ${target} ${name} ${offset} ${image} ${ARGN})
endfunction()

function(partition_table_get_partition_info result which field)
    if(which STREQUAL "--partition-name at_customize")
        set(${result} "${at_customize_${field}}" PARENT_SCOPE)
    endif()
endfunction()

# The options of a new project: the defaults of its components, and its own in sdkconfig.defaults.
function(__make_sdkconfig)
    set(defaults)
    if(EXISTS "${PROJECT_DIR}/sdkconfig.defaults")
        set(defaults --defaults "${PROJECT_DIR}/sdkconfig.defaults")
    endif()
    execute_process(
        COMMAND "${PYTHON}" -m kconfgen --kconfig "$ENV{IDF_PATH}/Kconfig" ${defaults} --output config "${SDKCONFIG}"
            --env "IDF_TARGET=${IDF_TARGET}" --env "COMPONENT=${COMPONENT}"
        RESULT_VARIABLE failed
        OUTPUT_QUIET)
    if(failed)
        message(FATAL_ERROR "kconfgen has failed")
    endif()
endfunction()

macro(project name)
    _project(${name} NONE)

    set(PROJECT_DIR "${CMAKE_SOURCE_DIR}")
    set(BUILD_DIR "${CMAKE_BINARY_DIR}")
    set(SDKCONFIG "${PROJECT_DIR}/sdkconfig")
    file(WRITE "${BUILD_DIR}/calls.txt" "")
    if("${COMPONENT}" STREQUAL "")
        file(GLOB COMPONENT "${PROJECT_DIR}/components/*esp_at_flash" "${PROJECT_DIR}/managed_components/*esp_at_flash")
    endif()

    if(NOT EXISTS "${SDKCONFIG}")
        __make_sdkconfig()
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${SDKCONFIG}")
    file(STRINGS "${SDKCONFIG}" lines REGEX "^CONFIG_")
    foreach(line IN LISTS lines)
        string(REGEX MATCH "^([^=]+)=\"?([^\"]*)" line "${line}")
        set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
    endforeach()
    set(IDF_TARGET "${CONFIG_IDF_TARGET}")
    file(WRITE "${BUILD_DIR}/project_description.json"
        "{\"config_file\": \"${SDKCONFIG}\", \"target\": \"${IDF_TARGET}\"}\n")

    foreach(part flash app bootloader partition_table_bin)
        add_custom_target(${part} COMMAND ${CMAKE_COMMAND} -E echo "IDF's own ${part}" VERBATIM)
    endforeach()
    if(EXISTS "${PROJECT_DIR}/main/CMakeLists.txt")
        add_subdirectory("${PROJECT_DIR}/main" esp-idf/main)
    endif()
    if(NOT "${COMPONENT}" STREQUAL "")
        include("${COMPONENT}/project_include.cmake")
        add_subdirectory("${COMPONENT}" esp-idf/esp_at_flash)
    endif()
endmacro()

# A package for Debian 12, made by `cpack` in a release build; script/package does all of it.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "clade maintainers <maintainers@clade.invalid>"
    CACHE STRING "who maintains the package, NAME <ADDRESS>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# Libraries are found by dpkg-shlibdeps. They load a driver, without which nothing is trained.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "pocl-opencl-icd | opencl-icd")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "dataset-fashion-mnist")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"clade breeds convolutional networks for image classification by aging evolution
and trains every one of them on the OpenCL devices of the machine, GPUs or just
the CPU. It survives crashes and power cuts, and leaves a report, tables for a
spreadsheet, and the best network as ONNX, C and safetensors.")
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/deb/finish.cmake)
include(CPack)

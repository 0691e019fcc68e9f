# CPack runs this on the files of the package: what Debian wants beside what was installed.
set(doc ${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/clade)
file(COPY ${CMAKE_CURRENT_LIST_DIR}/copyright DESTINATION ${doc})
file(COPY_FILE ${CMAKE_CURRENT_LIST_DIR}/changelog ${doc}/changelog)
file(REMOVE ${doc}/LICENSE) # Debian has the text in /usr/share/common-licenses
file(GLOB pages ${CPACK_TEMPORARY_DIRECTORY}/usr/share/man/man?/*.?)
execute_process(COMMAND strip --remove-section=.comment --remove-section=.note
                        ${CPACK_TEMPORARY_DIRECTORY}/usr/bin/clade COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND gzip -9n ${doc}/changelog ${pages} COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE files ${CPACK_TEMPORARY_DIRECTORY}/usr/share/*)
file(CHMOD ${files} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)

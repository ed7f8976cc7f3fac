# What `cmake --install` puts in place: library, public headers, the CMake package (find_package(centimane) → centimane::centimane)
# and centimane.pc. tests/install builds a stranger's program against each.
include(CMakePackageConfigHelpers)

set(centimane_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/centimane)

install(TARGETS centimane EXPORT centimane
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/centimane DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp")
install(EXPORT centimane NAMESPACE centimane:: FILE centimaneTargets.cmake DESTINATION ${centimane_package_dir})

# A static library has SQLite from its user.
set(centimane_pc_sqlite "")
set(centimane_needs_sqlite OFF)
if(CENTIMANE_SQLITE AND NOT BUILD_SHARED_LIBS)
  set(centimane_pc_sqlite " -lsqlite3")
  set(centimane_needs_sqlite ON)
endif()
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/centimaneConfig.cmake.in
  ${PROJECT_BINARY_DIR}/centimaneConfig.cmake INSTALL_DESTINATION ${centimane_package_dir})
# Before 1.0 a minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/centimaneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/centimaneConfig.cmake ${PROJECT_BINARY_DIR}/centimaneConfigVersion.cmake
  DESTINATION ${centimane_package_dir})

# Paths in the .pc file hang on its own place, so that an installed tree may be moved; absolute install directories are kept as they are.
set(centimane_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(centimane_pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH centimane_pc_up /p/${centimane_pc_dir} /p)
  string(REGEX REPLACE "/$" "" centimane_pc_up ${centimane_pc_up})
  set(centimane_pc_prefix "\${pcfiledir}/${centimane_pc_up}")
endif()
foreach(kind IN ITEMS INCLUDE LIB)
  set(dir ${CMAKE_INSTALL_${kind}DIR})
  if(IS_ABSOLUTE ${dir})
    set(centimane_pc_${kind} ${dir})
  else()
    set(centimane_pc_${kind} "\${prefix}/${dir}")
  endif()
endforeach()
set(centimane_pc_dl "")
if(CMAKE_DL_LIBS)
  set(centimane_pc_dl "-l${CMAKE_DL_LIBS}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/centimane.pc.in ${PROJECT_BINARY_DIR}/centimane.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/centimane.pc DESTINATION ${centimane_pc_dir})

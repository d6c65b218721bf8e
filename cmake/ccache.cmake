# Compiles through ccache where it is installed, with settings under which a second clone or worktree
# builds from the first one's results. They come with the call: nobody's own ccache.conf is needed or changed.
#
# - BASEDIR, NOHASHDIR: paths below the source folder are hashed relative to the build folder.
# - SLOPPINESS: without these two, GCC's precompiled header makes every call uncacheable; we define no
#   macro before including it, and no source uses __TIME__ or __DATE__.
# - PCH_EXTSUM: see weir_share_precompiled.
# - ABSSTDERR: messages of the compiler name full paths all the same.
find_program(ccache_program ccache)
if(ccache_program)
  set(weir_ccache ${CMAKE_COMMAND} -E env
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_PCH_EXTSUM=1 CCACHE_ABSSTDERR=1
    ${ccache_program})
  set(CMAKE_C_COMPILER_LAUNCHER ${weir_ccache})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${weir_ccache})
  # What is cached may not say in which clone it was compiled: a debugger starts at the source folder.
  add_compile_options(-fdebug-prefix-map=${PROJECT_SOURCE_DIR}=.)
endif()

# GCC writes other bytes each time it precompiles the same header. ccache would hash them, so a tree that
# made its own would share nothing. It hashes the file beside it instead: what all headers within hold.
# Name those as <header>: CMake writes others by their full path.
function(weir_share_precompiled target)
  if(ccache_program)
    set_target_properties(${target} PROPERTIES
      CXX_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/cmake/precompile.sh;${CMAKE_CXX_COMPILER_LAUNCHER}")
  endif()
endfunction()

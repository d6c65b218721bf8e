# A template is one file that defines `task::Template <file name>()` in namespace weir::templates.
# Gives the C++ text that declares and calls the functions of such files.
function(weir_template_calls declarations_out calls_out)
  set(declarations "")
  set(calls "")
  foreach(file IN LISTS ARGN)
    cmake_path(GET file STEM name)
    string(APPEND declarations "task::Template ${name}();\n")
    string(APPEND calls "      ${name}(),\n")
  endforeach()
  set(${declarations_out} "${declarations}" PARENT_SCOPE)
  set(${calls_out} "${calls}" PARENT_SCOPE)
endfunction()

// Has nothing of its own: it carries the header that is compiled beforehand (CMakeLists.txt).

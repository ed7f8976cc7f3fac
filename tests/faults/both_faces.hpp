// The scenario program's part in tests of files that both faces use.
#pragma once
#include <nlohmann/json.hpp>

int both_faces(const nlohmann::json& plan);

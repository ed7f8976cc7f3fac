// All of centimane. Prefer the single headers where parse time matters.
//
// Never `using namespace centimane` beside `using namespace std`: thread, queue, future and others exist in both.
#pragma once
#include "centimane/as_completed.hpp"
#include "centimane/bytes.hpp"
#include "centimane/checkpoint.hpp"
#include "centimane/codec.hpp"
#include "centimane/cpu_count.hpp"
#include "centimane/errors.hpp"
#include "centimane/executor.hpp"
#include "centimane/future.hpp"
#include "centimane/init.hpp"
#include "centimane/numbers.hpp"
#include "centimane/options.hpp"
#include "centimane/parallel.hpp"
#include "centimane/process_pool.hpp"
#include "centimane/progress.hpp"
#include "centimane/result.hpp"
#include "centimane/stream.hpp"
#include "centimane/this_task.hpp"
#include "centimane/thread_pool.hpp"
#include "centimane/wait.hpp"
#include "centimane/worker_init.hpp"

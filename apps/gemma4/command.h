// SPDX-License-Identifier: Apache-2.0
// The subcommands of the program: one file each, one function each. A function adds its subcommand with options, help
// and examples to `app`; its callback does the work and fails with gemma::Error for bad input (exit status 1), with
// gemma::UsageError for options that make no sense (2). Another status is set by set_exit_status.
#pragma once

#include <CLI/CLI.hpp>

namespace gemma::app {

void add_bench(CLI::App& app);
void add_caption(CLI::App& app);
void add_chat_format(CLI::App& app);
void add_completion(CLI::App& app);
void add_confined_run(CLI::App& app);
void add_convert(CLI::App& app);
void add_detect(CLI::App& app);
void add_forward(CLI::App& app);
void add_html(CLI::App& app);
void add_info(CLI::App& app);
void add_list(CLI::App& app);
void add_media_worker(CLI::App& app);
void add_ocr(CLI::App& app);
void add_perplexity(CLI::App& app);
void add_point(CLI::App& app);
void add_preprocess(CLI::App& app);
void add_pull(CLI::App& app);
void add_random(CLI::App& app);
void add_rm(CLI::App& app);
void add_run(CLI::App& app);
void add_serve(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_transcribe(CLI::App& app);
void add_watch(CLI::App& app);

/** What main returns when the callback has come back. */
void set_exit_status(int status);

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// Values as the chat templates see them. The templates are Jinja programs over Python values, and what they print for
// an unusual message follows from the rules of those two; here are the rules, so that the renderers read like the
// templates and print the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace gemma {

/** A value of a template. nullptr: undefined, which prints as nothing, is false and has no members. */
using TemplateValue = const json::value*;

/** value[key]; undefined when `value` is no object or has no such key. */
TemplateValue member(TemplateValue value, std::string_view key);

bool is_truthy(TemplateValue value);
/** An integer of any size is a number, not a string (base/json.h). */
bool is_string(TemplateValue value);
bool is_mapping(TemplateValue value);
bool is_array(TemplateValue value);
bool is_null(TemplateValue value);  // null, not undefined

/** The text of a string value. */
std::string_view string_of(TemplateValue value);
/** Whether a string value is this text. */
bool is_text(TemplateValue value, std::string_view text);

/** Python's str(): True, None, 1.0, 1e-07, 1e+21, ['a', 1]; "" for undefined. */
std::string printed(TemplateValue value);

/** Python's ==, where an absent value counts as None (what dict.get gives). */
bool equal(TemplateValue a, TemplateValue b);

/** Without the white space (Unicode's) at both ends. */
std::string_view trim(std::string_view text);
/** Bytes of the character at the start of `text` when it is white space, else 0. */
size_t white_space(std::string_view text);

/** The members in the order of their keys in lower case (Jinja's dictsort); equal ones as they come. */
std::vector<const json::key_value_pair*> sorted_members(const json::object& object);

/** What a person would call the kind of `value`: "a string", "an object", "nothing". For messages. */
std::string_view kind_of(TemplateValue value);

}  // namespace gemma

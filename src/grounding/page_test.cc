// SPDX-License-Identifier: Apache-2.0
#include "grounding/page.h"

#include <gtest/gtest.h>

namespace gemma::grounding {
namespace {

TEST(PageOf, TakesTheFenceOfHtml) {
  EXPECT_EQ(page_of("Here it is:\n```html\n<p>a</p>\n<p>b</p>\n```\nEnjoy."), "<p>a</p>\n<p>b</p>\n");
  EXPECT_EQ(page_of("```css\nbody { a long style sheet, longer than the page }\n```\n```HTML\n<p>a\n```"), "<p>a\n");
  EXPECT_EQ(page_of("```\n<p>\n```"), "<p>\n");
  EXPECT_EQ(page_of("```js\nx\n```\n```\n<p>longer</p>\n```"), "<p>longer</p>\n");
}

TEST(PageOf, TakesWhatThereIsOfAnAnswerThatWasCut) {
  EXPECT_EQ(page_of("```html\n<p>a"), "<p>a");
  EXPECT_EQ(page_of("```html\n"), "");
  EXPECT_EQ(page_of("```html"), "```html");
  EXPECT_EQ(page_of("```html\n```"), "");
}

TEST(PageOf, TakesTheDocumentOutOfProse) {
  EXPECT_EQ(page_of("Sure!\n<!DOCTYPE html><html>x</html>\nDone."), "<!DOCTYPE html><html>x</html>");
  EXPECT_EQ(page_of("A <HTML>x"), "<HTML>x");
  EXPECT_EQ(page_of("</html> <html>"), "<html>");
  EXPECT_EQ(page_of("<p>only a part</p>"), "<p>only a part</p>");
  EXPECT_EQ(page_of(""), "");
}

}  // namespace
}  // namespace gemma::grounding

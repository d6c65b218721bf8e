#include "task/markers.h"

#include <gtest/gtest.h>

namespace weir::task {
namespace {

TEST(Markers, ANameIsMadeInTheFolderOfTheFile) {
  EXPECT_EQ(marker_of("{name}.done", "x.csv"), "x.csv.done");
  EXPECT_EQ(marker_of("{name}.done", "a/b/x.csv"), "a/b/x.csv.done");
  EXPECT_EQ(marker_of("{stem}.ok", "a/x.y.csv"), "a/x.y.ok");
  EXPECT_EQ(marker_of("{stem}.ok", "a/.hidden"), "a/.hidden.ok");
  EXPECT_EQ(marker_of("_SUCCESS", "a/x.csv"), "a/_SUCCESS");
  EXPECT_EQ(marker_of("ready/{name}", "a/x.csv"), "a/ready/x.csv");
}

TEST(Markers, ANameWithBracesIsNotLookedAtAgain) {
  EXPECT_EQ(marker_of("{stem}.ok", "{name}.csv"), "{name}.ok");
  EXPECT_EQ(marker_of("{name}.ok", "{stem}.csv"), "{stem}.csv.ok");
}

TEST(Markers, WhatNamesNoMarkerIsRefused) {
  for (const auto* good : {"", "{name}.done", "{stem}.ok", "_SUCCESS", "ready/{name}"})
    EXPECT_TRUE(check_marker(good)) << good;
  for (const auto* bad : {"{name}", "{nam}.done", "../{name}", "/done", "*.done", "done/"})
    EXPECT_FALSE(check_marker(bad)) << bad;
}

}  // namespace
}  // namespace weir::task

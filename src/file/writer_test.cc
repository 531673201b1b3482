// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <thread>

#include "base/file.h"
#include "file/gguf_writer.h"
#include "file/safetensors_writer.h"
#include "file/testing/files.h"

namespace gemma {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

std::vector<std::byte> pattern(int64_t n, int seed) {
  std::vector<std::byte> bytes(static_cast<size_t>(n));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + static_cast<size_t>(seed));
  return bytes;
}

std::vector<std::byte> read(const ModelFile& file, std::string_view name) {
  const TensorRecord* record = file.find(name);
  EXPECT_NE(record, nullptr) << name;
  std::vector<std::byte> bytes(static_cast<size_t>(record->bytes));
  file.read(*record, bytes);
  return bytes;
}

int files_in(const std::string& folder) {
  const auto all = std::filesystem::directory_iterator(folder);
  return static_cast<int>(std::distance(begin(all), end(all)));
}

Metadata every_kind() {
  Metadata m;
  m.set("general.architecture", std::string("gemma4"));
  m.set("u8", int64_t{255}, MetaType::u8);
  m.set("i8", int64_t{-128}, MetaType::i8);
  m.set("u16", int64_t{65535}, MetaType::u16);
  m.set("i16", int64_t{-2}, MetaType::i16);
  m.set("u32", int64_t{4294967295});
  m.set("i32", int64_t{-1}, MetaType::i32);
  m.set("u64", int64_t{1} << 40, MetaType::u64);
  m.set("i64", int64_t{-1} << 40, MetaType::i64);
  m.set("f32", 0.25);
  m.set("f64", 0.1, MetaType::f64);
  m.set("bool", true);
  m.set("bools", std::vector<bool>{true, false, true});
  m.set("i32s", std::vector<int64_t>{1, -2});
  m.set("f32s", std::vector<double>{0.5, -1});
  m.set("strings", std::vector<std::string>{"", "▁x"});
  return m;
}

const std::vector<NewTensor> kTensors{
    {"a", DType::f32, {3, 5}}, {"q", DType::q4_0, {2, 2, 32}}, {"b", DType::bf16, {7}}};

void write_gguf(const std::string& path, const Metadata& metadata) {
  GgufWriter writer(path, metadata, kTensors);
  std::vector<std::thread> threads;
  for (size_t i = kTensors.size(); i-- > 0;) {  // last tensor first, in pieces, from several threads
    threads.emplace_back([&, i] {
      const auto bytes = pattern(bytes_of(kTensors[i].dtype, kTensors[i].shape.count()), static_cast<int>(i));
      const size_t half = bytes.size() / 2;
      writer.write(i, static_cast<int64_t>(half), std::span(bytes).subspan(half));
      writer.write(i, 0, std::span(bytes).first(half));
    });
  }
  for (std::thread& t : threads) t.join();
  writer.finish();
}

TEST(GgufWriter, WhatIsWrittenIsRead) {
  TempFolder folder;
  const Metadata metadata = every_kind();
  write_gguf(folder / "m.gguf", metadata);
  const ModelFile file = ModelFile::open(folder / "m.gguf");
  ASSERT_EQ(file.metadata().entries().size(), metadata.entries().size());
  for (size_t i = 0; i < metadata.entries().size(); ++i) {
    EXPECT_EQ(file.metadata().entries()[i].first, metadata.entries()[i].first);
    EXPECT_EQ(file.metadata().entries()[i].second, metadata.entries()[i].second) << metadata.entries()[i].first;
    EXPECT_EQ(file.metadata().entries()[i].type, metadata.entries()[i].type);
  }
  for (size_t i = 0; i < kTensors.size(); ++i) {
    const TensorRecord* record = file.find(kTensors[i].name);
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->shape, kTensors[i].shape);
    EXPECT_EQ(record->dtype, kTensors[i].dtype);
    EXPECT_EQ(record->offset % kGgufAlignment, 0);
    EXPECT_EQ(read(file, kTensors[i].name), pattern(record->bytes, static_cast<int>(i)));
  }
}

TEST(GgufWriter, TheSameBytesEveryTime) {
  TempFolder folder;
  write_gguf(folder / "1.gguf", every_kind());
  write_gguf(folder / "2.gguf", every_kind());
  EXPECT_EQ(read_file(folder / "1.gguf"), read_file(folder / "2.gguf"));
  // Copied from what was read, with another alignment there: the same again.
  Metadata copy = ModelFile::open(folder / "1.gguf").metadata();
  copy.set("general.alignment", int64_t{128});
  write_gguf(folder / "3.gguf", copy);
  EXPECT_EQ(read_file(folder / "1.gguf"), read_file(folder / "3.gguf"));
}

TEST(GgufWriter, TheSameBytesAsTheReferencePackage) {
  const std::string path = std::string(GEMMA4_GOLDEN) + "/files/every_key_and_type.gguf";
  const ModelFile file = ModelFile::open(path);
  std::vector<NewTensor> tensors;
  for (const TensorRecord& t : file.tensors()) tensors.push_back({t.name, t.dtype, t.shape});
  EXPECT_EQ(tensors.size(), 7u);
  EXPECT_EQ(file.find("t.q4_k")->shape, (Shape{2, 256}));
  TempFolder folder;
  GgufWriter writer(folder / "m.gguf", file.metadata(), tensors);
  for (size_t i = 0; i < tensors.size(); ++i) writer.write(i, 0, read(file, tensors[i].name));
  writer.finish();
  EXPECT_EQ(read_file(folder / "m.gguf"), read_file(path));
}

TEST(GgufWriter, LeavesNothingWhenItDoesNotFinish) {
  TempFolder folder;
  {
    GgufWriter writer(folder / "m.gguf", {}, kTensors);
    writer.write(0, 0, pattern(60, 0));
    EXPECT_EQ(error_of([&] { writer.finish(); }), (folder / "m.gguf") + ": tensor 'q': 0 of 72 bytes were written");
  }
  EXPECT_EQ(files_in(folder.path()), 0);
}

TEST(GgufWriter, RefusesWhatTheFormatCannotHold) {
  const auto with = [](const char* key, MetaValue value, std::optional<MetaType> type = std::nullopt) {
    Metadata m;
    m.set(key, std::move(value), type);
    return error_of([&] { gguf_header("m.gguf", m, {}); });
  };
  EXPECT_EQ(with("k", int64_t{-1}), "m.gguf: key 'k': -1 does not fit 4 bytes (unsigned)");
  EXPECT_THAT(with("k", std::vector<int64_t>{1, int64_t{1} << 31}),
              HasSubstr("2147483648 does not fit 4 bytes (signed)"));
  EXPECT_THAT(with("k", int64_t{1}, MetaType::f32), HasSubstr("key 'k': its value cannot be stored as f32"));
  EXPECT_THAT(with("k", true, MetaType::u8), HasSubstr("cannot be stored as u8"));
  EXPECT_THAT(with("k", std::string("\xff")), HasSubstr("key 'k': the text is not valid UTF-8"));
  const auto with_tensor = [](std::vector<NewTensor> tensors) {
    return error_of([&] { gguf_header("m.gguf", {}, tensors); });
  };
  EXPECT_THAT(with_tensor({{"t", DType::u8, {4}}}), HasSubstr("tensor 't': GGUF has no type u8"));
  EXPECT_THAT(with_tensor({{"t", DType::q4_k, {2, 128}}}),
              HasSubstr("shape [2, 128] cannot be stored as q4_k: rows are "
                        "whole blocks of 256"));
  EXPECT_THAT(with_tensor({{"t", DType::f32, {1}}, {"t", DType::f32, {1}}}), HasSubstr("'t' would be written twice"));
  EXPECT_THAT(with_tensor({{std::string(64, 't'), DType::f32, {1}}}), HasSubstr("has 1 to 63 bytes, found 64"));
}

std::vector<NewTensor> plain_tensors() {
  return {{"u", DType::u8, {3}},       {"w.weight", DType::bf16, {5, 3}}, {"s", DType::f32, {}},
          {"n\"\\▁", DType::i64, {2}}, {"i", DType::i32, {1, 1, 1, 2}},   {"h", DType::f16, {4}}};
}

void write_plain(SafetensorsWriter& writer, const std::vector<NewTensor>& tensors) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t n = bytes_of(tensors[i].dtype, tensors[i].shape.count());
    writer.write(i, 0, pattern(n, static_cast<int>(i)));
  }
  writer.finish();
}

void expect_plain(const ModelFile& file) {
  const auto tensors = plain_tensors();
  EXPECT_EQ(file.tensors().size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorRecord* record = file.find(tensors[i].name);
    ASSERT_NE(record, nullptr) << tensors[i].name;
    EXPECT_EQ(record->shape, tensors[i].shape);
    EXPECT_EQ(record->dtype, tensors[i].dtype);
    EXPECT_EQ(record->offset % info(record->dtype).bytes, 0) << "aligned to its own type";
    EXPECT_EQ(read(file, record->name), pattern(record->bytes, static_cast<int>(i)));
  }
}

TEST(SafetensorsWriter, OneFile) {
  TempFolder folder;
  SafetensorsWriter writer(folder / "x.safetensors", plain_tensors());
  write_plain(writer, plain_tensors());
  const ModelFile file = ModelFile::open(folder / "x.safetensors");
  expect_plain(file);
  EXPECT_EQ(file.total_bytes(), writer.total_bytes());
}

TEST(SafetensorsWriter, FolderOfShardsWithIndex) {
  TempFolder folder;
  SafetensorsWriter writer(folder.path(), plain_tensors(), 40);
  write_plain(writer, plain_tensors());
  const ModelFile file = ModelFile::open(folder.path());
  EXPECT_EQ(file.sources(), 2);
  expect_plain(file);
  EXPECT_EQ(file.side_json("model.safetensors.index.json")->at("metadata").at("total_size"), 3 + 30 + 4 + 16 + 8 + 8);
  EXPECT_EQ(files_in(folder.path()), 3);
}

TEST(SafetensorsWriter, FolderWithOneFileHasNoIndex) {
  TempFolder folder;
  SafetensorsWriter writer(folder.path(), plain_tensors(), 1000);
  write_plain(writer, plain_tensors());
  EXPECT_EQ(files_in(folder.path()), 1);
  expect_plain(ModelFile::open(folder.path()));
}

TEST(SafetensorsWriter, LeavesNothingWhenItDoesNotFinish) {
  TempFolder folder;
  {
    SafetensorsWriter writer(folder.path(), plain_tensors(), 40);
    EXPECT_THAT(error_of([&] { writer.finish(); }), HasSubstr("tensor 'u': 0 of 3 bytes were written"));
  }
  EXPECT_EQ(files_in(folder.path()), 0);
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHold) {
  const auto with = [](std::vector<NewTensor> tensors) {
    TempFolder folder;
    return error_of([&] { SafetensorsWriter(folder / "x.safetensors", std::move(tensors)); });
  };
  EXPECT_THAT(with({{"t", DType::q8_0, {32}}}), HasSubstr("tensor 't': safetensors has no type q8_0"));
  EXPECT_THAT(with({{"t", DType::f32, {1}}, {"t", DType::f32, {1}}}), HasSubstr("'t' would be written twice"));
  EXPECT_THAT(with({{"t", DType::f32, {0}}}), HasSubstr("tensor 't': shape [0] holds no value"));
}

TEST(SafetensorsWriter, TensorsInMemory) {
  TempFolder folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::vector<int32_t> ids{7, 8};
  write_safetensors(folder / "out.safetensors", {{"ids", Tensor::from(ids, {2})}, {"x", Tensor::from(values, {2, 3})}});
  const ModelFile file = ModelFile::open(folder / "out.safetensors");
  std::vector<float> found(6);
  file.read(*file.find("x"), std::as_writable_bytes(std::span(found)));
  EXPECT_EQ(found, values);
  EXPECT_EQ(file.find("ids")->dtype, DType::i32);
}

TEST(Writers, SayWhereTheyCannotWrite) {
  EXPECT_THAT(error_of([] { GgufWriter("no/such/folder/m.gguf", {}, {}); }),
              HasSubstr("no/such/folder/m.gguf: cannot create"));
  EXPECT_THAT(error_of([] { SafetensorsWriter("no/such/folder", {}); }),
              HasSubstr("no/such/folder/model.safetensors: cannot create"));
}

}  // namespace
}  // namespace gemma

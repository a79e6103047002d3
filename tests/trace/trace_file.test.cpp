#include "plumb/trace/trace_file.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/golden.hpp"
#include "support/temporary.hpp"

using plumb::Dtype;
using plumb::Index;
using plumb::Matrix;
using plumb::Tensors;
using plumb::Trace;

namespace {

/// A trace of the bundled model: 6 layers, 2 heads, 64 channels, 512 tokens in the vocabulary.
template <class T>
Trace<T> short_trace(const plumb::TraceOptions& options = {}) {
  const plumb::Decoder<T> model(plumb::Checkpoint::open(plumb::test::bundled_golden().model));
  return plumb::trace(model, {0, 17, 300, 511}, options);
}

template <class T>
Tensors written(const Trace<T>& trace) {
  std::ostringstream out;
  plumb::write_trace(out, trace);
  const plumb::test::TemporaryDirectory folder;
  return plumb::read_safetensors(folder.write("trace.safetensors", out.str()));
}

/// A tensor of floats as the rows of its last axis.
Matrix<float> rows(const Tensors& tensors, const std::string& name) {
  plumb::Tensor tensor = tensors.at(name);
  CHECK(tensor.dtype == Dtype::f32);
  tensor.shape = {tensor.size() / tensor.shape.back(), tensor.shape.back()};
  return plumb::read_matrix<float>(tensor);
}

std::map<std::string, std::vector<Index>> shapes(const Tensors& tensors) {
  std::map<std::string, std::vector<Index>> list;
  for (const auto& [name, tensor] : tensors) list[name] = tensor.shape;
  return list;
}

/// What the header documents for short_trace.
std::map<std::string, std::vector<Index>> documented(bool attention, bool logits) {
  std::map<std::string, std::vector<Index>> list = {{"input_ids", {4}}, {"final_norm", {4, 64}}};
  for (int point = 0; point <= 6; ++point) list["residual." + std::to_string(point)] = {4, 64};
  for (int layer = 0; layer < 6; ++layer) {
    const auto l = std::to_string(layer);
    list["attention_write." + l] = {4, 64};
    list["feed_forward_write." + l] = {4, 64};
    if (attention) list["attention." + l] = {2, 4, 4};
  }
  if (logits) list["logits"] = {4, 512};
  return list;
}

}  // namespace

TEMPLATE_TEST_CASE("a trace file holds the documented tensors", "", float, double) {
  CHECK(shapes(written(short_trace<TestType>())) == documented(true, true));
}

TEMPLATE_TEST_CASE("what a trace did not keep is left out of its file", "", float, double) {
  using plumb::TraceOptions;
  CHECK(shapes(written(short_trace<TestType>({.attention = false}))) == documented(false, true));
  CHECK(shapes(written(short_trace<TestType>({.logits = false}))) == documented(true, false));
  CHECK(shapes(written(short_trace<TestType>({.attention = false, .logits = false}))) ==
        documented(false, false));
}

TEMPLATE_TEST_CASE("a trace file holds the trace, rounded to float", "", float, double) {
  const auto trace = short_trace<TestType>();
  const auto tensors = written(trace);
  const auto& ids = tensors.at("input_ids");
  REQUIRE(ids.dtype == Dtype::i64);
  for (std::size_t t = 0; t < trace.ids.size(); ++t) {
    CHECK(plumb::read_element<std::int64_t>(ids.dtype, ids.bytes.data(), t) == trace.ids[t]);
  }
  const auto holds = [&](const std::string& name, const Matrix<TestType>& m) {
    INFO(name);
    CHECK(rows(tensors, name) == Matrix<float>(m.template cast<float>()));
  };
  for (std::size_t point = 0; point < trace.residual.size(); ++point) {
    holds("residual." + std::to_string(point), trace.residual[point]);
  }
  for (std::size_t layer = 0; layer < trace.attention_write.size(); ++layer) {
    const auto l = std::to_string(layer);
    holds("attention_write." + l, trace.attention_write[layer]);
    holds("feed_forward_write." + l, trace.feed_forward_write[layer]);
    const Matrix<float> maps = rows(tensors, "attention." + l);
    for (Index head = 0; head < 2; ++head) {
      const Matrix<float> map = plumb::slice(trace.attention[layer], head).template cast<float>();
      CHECK(Matrix<float>(maps.middleRows(4 * head, 4)) == map);
    }
  }
  holds("final_norm", trace.final_norm);
  holds("logits", trace.logits);
}

TEST_CASE("a trace file names its schema") {
  std::ostringstream out;
  plumb::write_trace(out, short_trace<float>());
  CHECK_THAT(out.str(), Catch::Matchers::Contains(R"("__metadata__":{"schema":"plumb.trace/1"})"));
}

TEST_CASE("tensors come in the documented order") {
  const auto tensors = plumb::trace_tensors(short_trace<float>());
  REQUIRE(tensors.size() == documented(true, true).size());
  CHECK(tensors.front().name == "input_ids");
  CHECK(tensors[1].name == "residual.0");
  CHECK(tensors[7].name == "residual.6");
  CHECK(tensors[8].name == "attention_write.0");
  CHECK(tensors.back().name == "logits");
}

TEST_CASE("a stream that fails says so") {
  std::ofstream out("/dev/full");
  REQUIRE(out);
  plumb::write_trace(out, short_trace<float>());
  out.flush();
  CHECK_FALSE(out);
}

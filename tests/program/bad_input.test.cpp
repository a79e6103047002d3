// Bad input: one line on standard error that names file and fault, exit status 2, no output file.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "plumb/weights/checkpoint.hpp"
#include "support/program.hpp"

namespace {

const std::string kModel = PLUMB_SOURCE_DIR "/examples/models/tiny-llama";

/// Runs and expects the refusal whose line holds all `words`.
void refused(const std::string& arguments, const std::vector<std::string>& words) {
  const auto run = run_program(arguments);
  INFO(arguments << "\nout: " << run.out << "\nerr: " << run.err);
  CHECK(run.status == 2);
  CHECK(run.out.empty());
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
  CHECK(run.err.starts_with("plumb: "));
  for (const auto& word : words) {
    INFO("expected: " << word);
    CHECK(run.err.find(word) != std::string::npos);
  }
}

/// A copy of the bundled model, to be broken.
struct Copy {
  plumb::test::TemporaryDirectory folder;
  Copy() {
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) {
      std::filesystem::copy_file(kModel + "/" + name, folder.path() / name);
    }
  }
  std::filesystem::path file(const char* name) const { return folder.path() / name; }
  std::string anatomy() const { return "anatomy --model " + folder.path().string(); }
};

}  // namespace

TEST_CASE("a missing model, config or weights file is named") {
  refused("anatomy --model /no/such/folder", {"/no/such/folder", "no such folder"});
  const Copy copy;
  std::filesystem::remove(copy.file("model.safetensors"));
  refused(copy.anatomy(), {"model.safetensors", "No such file"});
  std::filesystem::remove(copy.file("config.json"));
  refused(copy.anatomy(), {"config.json", "No such file"});
}

TEST_CASE("a truncated weights file is named") {
  const Copy copy;
  std::filesystem::resize_file(copy.file("model.safetensors"), 300000);
  refused(copy.anatomy(), {"model.safetensors"});
  std::filesystem::resize_file(copy.file("model.safetensors"), 100);
  refused(copy.anatomy(), {"model.safetensors", "truncated"});
}

TEST_CASE("weights that are NaN, misshapen or of integers are named") {
  const Copy copy;
  const auto original = plumb::Checkpoint::open(kModel);
  const std::string name = "model.layers.2.mlp.up_proj.weight";
  const auto broken = [&](const plumb::Tensor& tensor) {
    auto checkpoint = original;
    checkpoint.replace(tensor);
    checkpoint.save(copy.folder.path());
  };
  plumb::Matrix<float> up = plumb::read_matrix<float>(original.tensor(name));
  up(3, 5) = std::numeric_limits<float>::quiet_NaN();
  broken(plumb::make_tensor<float>(name, up));
  refused(copy.anatomy(), {"model.safetensors", name, "nan", "197"});

  broken(plumb::make_tensor<float>(name, plumb::Matrix<float>(up.topRows(9))));
  refused(copy.anatomy(), {"model.safetensors", name, "(9, 64)", "(176, 64)"});

  const std::vector<std::int32_t> integers(176 * 64, 1);
  broken(plumb::make_tensor<std::int32_t>(name, {176, 64}, integers));
  refused(copy.anatomy(), {"model.safetensors", name, "I32"});
}

TEST_CASE("an unknown config key or family is named") {
  const Copy copy;
  copy.folder.write("config.json", R"({"model_type": "mamba"})");
  refused(copy.anatomy(), {"config.json", "model_type", "mamba"});
}

TEST_CASE("info of a family that is not known says why it is not run, and ends with status 0") {
  const Copy copy;
  copy.folder.write("config.json", R"({"model_type": "mamba", "hidden_size": 64})");
  const auto run = run_program("info --model " + copy.folder.path().string());
  CHECK(run.status == 0);
  CHECK(run.err.empty());
  for (const char* part : {"mamba", "64", "57 tensors", "a family plumb does not know"}) {
    CHECK(run.out.find(part) != std::string::npos);
  }
  copy.folder.write("config.json", "{}");
  refused("info --model " + copy.folder.path().string(), {"config.json", "model_type"});
}

TEST_CASE("ids outside the vocabulary, and files that hold no ids, are named") {
  const plumb::test::TemporaryDirectory folder;
  const auto ids = folder.write("ids.txt", "0 5 512 7\n");
  refused("anatomy --ids " + ids.string(), {"ids.txt", "512", "index 2", "vocabulary of 512"});
  folder.write("ids.txt", "0 five\n");
  refused("anatomy --ids " + ids.string(), {"ids.txt", "five"});
  refused("anatomy --ids /no/such/ids.npy", {"/no/such/ids.npy"});
}

TEST_CASE("an empty text is refused") {
  refused("anatomy --text ''", {"--text", "empty"});
  const plumb::test::TemporaryDirectory folder;
  const auto file = folder.write("empty.txt", "");
  refused("anatomy --text-file " + file.string(), {"empty.txt", "empty"});
}

TEST_CASE("a text longer than the context is refused unless it may be cut") {
  const plumb::test::TemporaryDirectory folder;
  std::string text;
  for (int i = 0; i < 300; ++i) text += "word ";
  const auto file = folder.write("long.txt", text);
  refused("anatomy --text-file " + file.string(), {"long.txt", "context is 128", "--truncate"});
  const auto run = run_program("anatomy --truncate --text-file " + file.string());
  CHECK(run.status == 0);
  CHECK(run.out.find("128 tokens") != std::string::npos);
}

TEST_CASE("a model without a tokenizer asks for ids") {
  const Copy copy;
  std::filesystem::remove(copy.file("tokenizer.json"));
  refused(copy.anatomy(), {"tokenizer.json", "--ids"});
  CHECK(run_program(copy.anatomy() + " --ids " + kModel + "/ids.npy").status == 0);
}

TEST_CASE("a model whose tokenizer is not supported runs with ids, and says so in one line") {
  const Copy copy;
  copy.folder.write("tokenizer.json", R"({"normalizer": {"type": "NFKD"}, "model": {}})");
  refused(copy.anatomy(), {"tokenizer.json", "NFKD", "--ids"});
  const auto run = run_program(copy.anatomy() + " --ids " + kModel + "/ids.npy");
  CHECK(run.status == 0);
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
  CHECK(run.err.find("NFKD") != std::string::npos);
  CHECK(run_program(copy.anatomy() + " --quiet --ids " + kModel + "/ids.npy").err.empty());
}

TEST_CASE("a broken checkpoint of llama2.c is named") {
  const plumb::test::TemporaryDirectory folder;
  const auto file = folder.write("model.bin", std::string(100, '\1'));
  refused("info --model " + file.string(), {"model.bin", "llama2.c"});
}

TEST_CASE("an output that cannot be written is named before the work, and leaves nothing") {
  refused("anatomy --json /no/such/folder/report.json", {"/no/such/folder/report.json"});
  const plumb::test::TemporaryDirectory folder;
  refused("anatomy --trace " + folder.path().string(), {folder.path().string(), "folder"});
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("two outputs in one file, a trace without a file, and empty values are refused") {
  const plumb::test::TemporaryDirectory folder;
  const auto file = (folder.path() / "both").string();
  refused("anatomy --json " + file + " --trace " + file, {file, "--json and --trace"});
  CHECK_FALSE(std::filesystem::exists(file));
  refused("anatomy --trace -", {"--trace", "takes a file"});
  CHECK_FALSE(std::filesystem::exists("-"));
  refused("anatomy --model ''", {"--model", "empty"});
  refused("anatomy --json ''", {"--json", "empty"});
  refused("anatomy --trace ''", {"--trace", "empty"});
  refused("directions --channels ''", {"--channels", "empty"});
}

TEST_CASE("output that exists survives a run that fails") {
  const plumb::test::TemporaryDirectory folder;
  const auto file = folder.write("report.json", "precious");
  refused("anatomy --text '' --json " + file.string(), {"empty"});
  CHECK(plumb::test::read_bytes(file) == "precious");
}

TEST_CASE("layers, channels and thresholds that do not exist are named") {
  refused("directions --layer 6", {"--layer", "6", "layers 0..5"});
  refused("directions --layer -1", {"--layer", "-1", "layers 0..5"});
  refused("directions --layer two", {"two"});
  refused("directions --channels 64", {"--channels", "64", "channels 0..63"});
  refused("directions --channels 3,x", {"--channels", "'x' is no channel"});
  refused("directions --channels 3,,5", {"--channels", "'' is no channel"});
  refused("directions --top 0", {"--top", "at least 1"});
  refused("directions --json /no/such/folder/report.json", {"/no/such/folder/report.json"});
  refused("census --absolute -3", {"--absolute", "not negative"});
  refused("census --relative nan", {"--relative"});
  refused("census --model /no/such/folder", {"/no/such/folder"});
  refused("census --text x", {"--text"});
}

TEST_CASE("unknown options and commands are named") {
  refused("anatomy --bogus", {"--bogus"});
  refused("frobnicate", {"frobnicate"});
  refused("", {"no command", "anatomy"});
  refused("anatomy --threads 0", {"--threads", "0 is no number of threads"});
  refused("anatomy --trace a --text x --text y", {"--trace", "one text"});
}

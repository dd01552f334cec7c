use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch")
}

fn open(name: &str) -> Result<Checkpoint<Cursor<Vec<u8>>>, TensorFileError> {
    Checkpoint::open(Cursor::new(std::fs::read(golden().join(name)).unwrap()))
}

fn refusal(bytes: Vec<u8>) -> String {
    Checkpoint::open(Cursor::new(bytes)).unwrap_err().to_string()
}

/// Number `i` of a storage of `n`, as `tools/reference_torch_files.py` fills them.
fn number(i: usize, n: usize) -> f32 {
    (i as f32 - n as f32 / 2.0) / 4.0
}

fn numbers(places: impl IntoIterator<Item = usize>, n: usize) -> Vec<f32> {
    places.into_iter().map(|i| number(i, n)).collect()
}

#[test]
fn views_of_every_kind_are_read_from_both_containers_and_protocols() {
    for (file, container) in [
        ("state.zip.pth", "torch (zip archive)"),
        ("state.legacy.pth", "torch (before 1.6)"),
        ("protocol4.zip.pth", "torch (zip archive)"),
    ] {
        let mut checkpoint = open(file).unwrap();
        assert_eq!(checkpoint.container(), container);
        let mut read = |name: &str| {
            let shape = checkpoint.tensors()[name].shape.clone();
            (shape, checkpoint.read(name).unwrap().unwrap())
        };
        assert_eq!(read("plain"), (vec![2, 3], numbers(0..6, 6)), "{file}");
        let transposed = (0..4).flat_map(|c| (0..3).map(move |r| 4 * r + c));
        assert_eq!(read("transposed"), (vec![4, 3], numbers(transposed, 24)));
        assert_eq!(read("row"), (vec![4], numbers(4..8, 24)));
        assert_eq!(read("column"), (vec![3], numbers([2, 6, 10], 24)));
        assert_eq!(read("tail"), (vec![4], numbers(20..24, 24)));
        assert_eq!(read("every_other"), (vec![12], numbers((0..24).step_by(2), 24)));
        // Row-major whatever the memory format.
        assert_eq!(read("channels_last"), (vec![2, 2, 3, 4], numbers(0..48, 48)));
        assert_eq!(read("parameter"), (vec![4], numbers(0..4, 4)));
        for name in ["half", "bfloat", "double"] {
            assert_eq!(read(name), (vec![5], numbers(0..5, 5)), "{name}");
        }
        assert_eq!(read("scalar"), (vec![], vec![1.5]));
        assert_eq!(read("empty"), (vec![0, 3], vec![]));
        assert!(!checkpoint.tensors().contains_key("bn.num_batches_tracked"));
        assert!(checkpoint.read("absent").is_none());
    }
}

#[test]
fn a_state_dictionary_is_found_among_what_training_scripts_save() {
    for file in ["checkpoint.zip.pth", "checkpoint.legacy.pth", "beside.zip.pth", "beside.legacy.pth"] {
        let checkpoint = open(file).unwrap();
        let names: Vec<&str> = checkpoint.tensors().keys().map(String::as_str).collect();
        let expected = ["0.bias", "0.weight", "1.bias", "1.running_mean", "1.running_var", "1.weight"];
        assert_eq!(names, expected.map(|name| format!("module.{name}")), "{file}");
    }
}

#[test]
fn calls_are_refused_by_name() {
    for ending in ["zip", "legacy"] {
        let error = open(&format!("calls.{ending}.pth")).unwrap_err().to_string();
        assert!(error.contains("`posix.system`"), "{error}");
        let error = open(&format!("whole_model.{ending}.pth")).unwrap_err().to_string();
        assert!(error.contains("state_dict()"), "{error}");
        let error = open(&format!("expanded.{ending}.pth")).unwrap_err().to_string();
        assert!(error.contains("`weight`") && error.contains("lie on each other"), "{error}");
    }
    let error = open("compressed.zip.pth").unwrap_err().to_string();
    assert!(error.contains("is compressed or encrypted"), "{error}");
    let error = open("script.zip.pth").unwrap_err().to_string();
    assert!(error.contains("TorchScript"), "{error}");
    assert!(open("plain_pickle.pth").unwrap_err().to_string().contains("not a file that torch.save wrote"));
}

/// Every file cut short anywhere, and with any byte inverted, is read or refused: no panic, no hang.
#[test]
fn damaged_files_are_errors() {
    for name in ["state.zip.pth", "state.legacy.pth", "checkpoint.legacy.pth"] {
        let whole = std::fs::read(golden().join(name)).unwrap();
        for length in 0..whole.len() {
            assert!(Checkpoint::open(Cursor::new(&whole[..length])).is_err(), "{name} cut at {length}");
        }
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            read_all(&damaged);
        }
    }
}

/// The fuzzer's corpus, on stable.
#[test]
fn the_fuzzers_corpus_is_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/torch_file");
    let mut seen = 0;
    for folder in [golden(), corpus] {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            read_all(&std::fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen}");
}

fn read_all(bytes: &[u8]) {
    let Ok(mut checkpoint) = Checkpoint::open(Cursor::new(bytes)) else { return };
    for name in checkpoint.tensors().keys().cloned().collect::<Vec<_>>() {
        let count: usize = checkpoint.tensors()[&name].shape.iter().product();
        if let Ok(values) = checkpoint.read(&name).unwrap() {
            assert_eq!(values.len(), count);
        }
    }
}

/// A pickle, written by hand.
#[derive(Clone)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn int(self, n: i128) -> Self {
        self.raw(&[0x8a, 16]).raw(&n.to_le_bytes())
    }

    fn tuple(self, items: &[i128]) -> Self {
        items.iter().fold(self.raw(b"("), |p, n| p.int(*n)).raw(b"t")
    }

    /// `{"weight": tensor}`, with this storage, offset, shape and strides.
    fn weight(self, key: &str, length: i128, offset: i128, shape: &[i128], stride: &[i128]) -> Self {
        self.raw(b"}").text("weight").tensor(key, length, offset, shape, stride).raw(b"s")
    }

    fn tensor(self, key: &str, length: i128, offset: i128, shape: &[i128], stride: &[i128]) -> Self {
        self.raw(b"ctorch._utils\n_rebuild_tensor\n((")
            .text("storage")
            .raw(b"ctorch\nFloatStorage\n")
            .text(key)
            .text("cpu")
            .int(length)
            .raw(b"tQ")
            .int(offset)
            .tuple(shape)
            .tuple(stride)
            .raw(b"tR")
    }

    /// The whole file, with these storages of f32: key, announced length, numbers.
    fn file(self, storages: &[(&str, i64, &[f32])]) -> Vec<u8> {
        let mut out =
            Pickle::new().raw(&[0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]).raw(b".").0;
        out.extend(Pickle::new().raw(b"M\xe9\x03.").0);
        out.extend(Pickle::new().raw(b"}").text("little_endian").raw(b"\x88s.").0);
        out.extend(self.raw(b".").0);
        let keys = storages.iter().fold(Pickle::new().raw(b"]("), |p, (key, ..)| p.text(key));
        out.extend(keys.raw(b"e.").0);
        for (_, length, numbers) in storages {
            out.extend(length.to_le_bytes());
            out.extend(numbers.iter().flat_map(|v| v.to_le_bytes()));
        }
        out
    }
}

const SIX: &[f32] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

#[test]
fn a_file_written_by_hand_is_read() {
    let file = Pickle::new().weight("a", 6, 1, &[2, 2], &[1, 2]).file(&[("a", 6, SIX)]);
    let mut checkpoint = Checkpoint::open(Cursor::new(file)).unwrap();
    assert_eq!(checkpoint.read("weight").unwrap().unwrap(), [1.0, 3.0, 2.0, 4.0]);
}

#[test]
fn views_that_are_none_are_refused() {
    let view = |length, offset, shape: &[i128], stride: &[i128]| {
        refusal(Pickle::new().weight("a", length, offset, shape, stride).file(&[("a", 6, SIX)]))
    };
    for (error, part) in [
        (view(6, 0, &[7], &[1]), "beyond its storage"),
        (view(6, 4, &[3], &[1]), "beyond its storage"),
        (view(6, 0, &[2], &[-1]), "a stride of -1"),
        (view(6, 0, &[-2], &[1]), "a side of -2"),
        (view(6, -1, &[2], &[1]), "a tensor offset of -1"),
        (view(6, 0, &[3], &[0]), "lie on each other"),
        (view(6, 0, &[2, 3], &[2, 1]), "lie on each other"),
        (view(6, 0, &[1 << 40, 1 << 40], &[0, 0]), "a shape of"),
        (view(6, 0, &[2], &[i128::from(u64::MAX)]), "beyond its storage"),
        (view(6, 0, &[2], &[i128::MAX]), "a stride of"),
        (view(6, 0, &[2, 3], &[3]), "2 sides but 1 strides"),
        (view(6, 0, &[1; 9], &[1; 9]), "9 dimensions"),
        (view(7, 0, &[2], &[1]), "should have 7 numbers and says 6"),
        (view(-6, 0, &[2], &[1]), "a storage length of -6"),
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn storages_must_be_there_once() {
    let pickle = || Pickle::new().weight("a", 6, 0, &[6], &[1]);
    assert!(refusal(pickle().file(&[])).contains("a storage is missing"));
    assert!(refusal(pickle().file(&[("b", 6, SIX)])).contains("`b` belongs to no tensor"));
    assert!(refusal(pickle().file(&[("a", 6, SIX), ("a", 6, SIX)])).contains("there twice"));
    assert!(refusal(pickle().file(&[("a", 6, &SIX[..3])])).contains("ends beyond the file"));
    let huge = Pickle::new().weight("a", 1 << 62, 0, &[6], &[1]).file(&[("a", 1 << 62, SIX)]);
    assert!(refusal(huge).contains("ends beyond the file"));
    let twice = Pickle::new().raw(b"}").text("x").tensor("a", 6, 0, &[6], &[1]).raw(b"s");
    let twice = twice.text("y").tensor("a", 5, 0, &[5], &[1]).raw(b"s").file(&[("a", 6, SIX)]);
    assert!(refusal(twice).contains("described in two ways"));
}

#[test]
fn opcodes_and_names_that_are_not_needed_are_refused_by_name() {
    for (pickle, part) in [
        (Pickle::new().raw(b"cos\nsystem\n"), "`os.system`"),
        (Pickle::new().text("builtins").text("eval").raw(b"\x93"), "`builtins.eval`"),
        (Pickle::new().raw(b"ctorch\nload\n"), "`torch.load`"),
        (Pickle::new().raw(b"c__main__\nX\x1b[31m\n"), "`__main__.X\\u{1b}[31m`"),
        (Pickle::new().raw(b"(ios\nsystem\n"), "opcode INST"),
        (Pickle::new().raw(b")\x81"), "takes a value that is not there"),
        (Pickle::new().raw(b"P0\n"), "opcode PERSID"),
        (Pickle::new().raw(b"\xff"), "no pickle opcode"),
        (Pickle::new().text("x").raw(b"Nb"), "opcode BUILD"),
        (Pickle::new().raw(b"N)R"), "call of something that is no function"),
        (Pickle::new().raw(b"ctorch\nFloatStorage\n)R"), "with other arguments"),
        (Pickle::new().raw(b"(").text("module").raw(b"NNNNtQ"), "kind `module`"),
        (Pickle::new().raw(b"0"), "takes a value that is not there"),
        (Pickle::new().raw(b"a"), "takes a value that is not there"),
        (Pickle::new().raw(b"t"), "no mark"),
        (Pickle::new().raw(b"h\x05"), "value 5 is used before"),
        (Pickle::new().raw(b"}(N"), "holds nothing"),
        (Pickle::new().raw(b"]"), "holds a list"),
        (Pickle::new().raw(b"}").text("epoch").raw(b"K\x03s"), "its keys are `epoch`"),
    ] {
        let error = refusal(pickle.file(&[]));
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// Lengths that are claimed, nesting, and values that double: small files that ask for much memory get none.
#[test]
fn bombs_do_not_go_off() {
    let claimed = refusal(Pickle::new().raw(b"X\xff\xff\xff\xff").file(&[]));
    assert!(claimed.contains("claims to be"), "{claimed}");
    let claimed = refusal(Pickle::new().raw(b"\x8d").raw(&u64::MAX.to_le_bytes()).file(&[]));
    assert!(claimed.contains("claims to be"), "{claimed}");
    let claimed = refusal(Pickle::new().raw(b"X\xff\xff\x00\x00").file(&[]));
    assert!(claimed.contains("ends too early"), "{claimed}");
    // A list in a list, a hundred thousand deep.
    let deep = refusal(Pickle::new().raw(&[b']'; 100_000]).raw(&[b'a'; 99_999]).file(&[]));
    assert!(deep.contains("holds a list"), "{deep}");
    // A tuple of the same two, sixty times: 2^60 values if they were copied.
    let mut bomb = Pickle::new().raw(b")");
    for _ in 0..60 {
        bomb = bomb.raw(b"q\x00h\x00\x86");
    }
    assert!(refusal(bomb.file(&[])).contains("holds a list"));
    // A dictionary that holds itself.
    let itself = refusal(Pickle::new().raw(b"}q\x00").text("state_dict").raw(b"h\x00s").file(&[]));
    assert!(itself.contains("its keys are `state_dict`"), "{itself}");
    let values = refusal(Pickle::new().raw(&vec![b'N'; 1 << 22]).file(&[]));
    assert!(values.contains("wait on the pickle's stack"), "{values}");
    let marks = refusal(Pickle::new().raw(&vec![b'('; 1 << 22]).file(&[]));
    assert!(marks.contains("marks"), "{marks}");
    let memo = refusal(Pickle::new().raw(b"N").raw(&vec![0x94; 1 << 22]).file(&[]));
    assert!(memo.contains("remembers more than"), "{memo}");
    let mut made = Pickle::new().raw(b"](");
    for _ in 0..40 {
        made = made.raw(&vec![b'N'; 1 << 16]).raw(b"e(");
    }
    let made = refusal(made.raw(b"e").file(&[]));
    assert!(made.contains("makes more than"), "{made}");
}

#[test]
fn python_2_files_are_read() {
    // OrderedDict with its content in the call, keys as byte strings, a part of a storage.
    let tensor = Pickle(Vec::new())
        .raw(b"ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x01aU\x03cpu")
        .int(6)
        .raw(b"(U\x01v")
        .int(2)
        .int(3)
        .raw(b"ttQ")
        .int(1)
        .tuple(&[2])
        .tuple(&[1])
        .raw(b"tR");
    let file = Pickle::new()
        .raw(b"ccollections\nOrderedDict\n](](U\x06weight")
        .raw(&tensor.0)
        .raw(b"ee\x85R")
        .file(&[("a", 6, SIX)]);
    let mut checkpoint = Checkpoint::open(Cursor::new(file)).unwrap();
    assert_eq!(checkpoint.read("weight").unwrap().unwrap(), [3.0, 4.0]);
}

#[test]
fn a_view_spread_over_a_large_storage_is_refused() {
    let zeros = vec![0.0; 100_000];
    let file = Pickle::new().weight("a", 100_000, 0, &[2], &[99_999]).file(&[("a", 100_000, &zeros)]);
    let mut checkpoint = Checkpoint::open(Cursor::new(file)).unwrap();
    let error = checkpoint.read("weight").unwrap().unwrap_err().to_string();
    assert!(error.contains("`weight`") && error.contains(".contiguous()"), "{error}");
}

#[test]
fn a_list_that_many_dictionaries_share_is_refused() {
    // A list of 5,000 pairs, and 5,000 dictionaries of it: 25 million entries.
    let mut file = Pickle::new().raw(b"ccollections\nOrderedDict\nq\x01](");
    for _ in 0..5000 {
        file = file.raw(b"NN\x86");
    }
    file = file.raw(b"e\x85q\x02](");
    for _ in 0..5000 {
        file = file.raw(b"h\x01h\x02R");
    }
    let error = Checkpoint::open(Cursor::new(file.raw(b"e").file(&[]))).unwrap_err().to_string();
    assert!(error.contains("more than 1048576 entries"), "{error}");
}

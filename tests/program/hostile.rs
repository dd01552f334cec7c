//! Names and files that mean harm.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::call::{ROOT, fastai, stderr, stdout};
use crate::small::of_classes;

/// Classes and files whose names a terminal, a page or a spreadsheet would obey.
fn recipe(scratch: &TempDir) -> std::path::PathBuf {
    let globe = Path::new(ROOT).join("examples/data/globe/train-jpg");
    let mut chips: Vec<_> = fs::read_dir(&globe).unwrap().map(|entry| entry.unwrap().path()).collect();
    chips.sort();
    let copy = |from: &Path, folder: &Path, name: &str| {
        fs::create_dir_all(folder).unwrap();
        fs::copy(from, folder.join(name)).unwrap();
    };
    for (i, chip) in chips.iter().take(24).enumerate() {
        let class = ["=cmd|calc", "cat\u{202e}gpj", "a\u{1b}[31mred"][i % 3];
        copy(chip, &scratch.path().join("data").join(class), &format!("\u{1b}]0;x\u{7}{i}.jpg"));
    }
    for (chip, name) in chips[24..28].iter().zip(["=1+1.jpg", "-2.jpg", "x\u{2066}y.jpg", "@s.jpg"]) {
        copy(chip, &scratch.path().join("test"), name);
    }
    let file = scratch.path().join("a.recipe");
    fs::write(&file, of_classes("Hostile", &scratch.path().join("data"))).unwrap();
    file
}

/// Whether a terminal or a page would obey anything of this.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, '\n' | '\t') || !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[test]
fn names_are_shown_in_every_output_and_formulas_guarded() {
    let scratch = tempfile::tempdir().unwrap();
    let (recipe, run, test) = (recipe(&scratch), scratch.path().join("run"), scratch.path().join("test"));
    let csv = scratch.path().join("out.csv");
    let page = scratch.path().join("page.html");
    let path = |path: &Path| path.to_str().unwrap().to_string();
    let said = |arguments: &[&str]| {
        let output = fastai(&scratch).args(arguments).assert().success().get_output().clone();
        let all = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(all.iter().all(|text| is_plain(text)), "{arguments:?}: {all:?}");
        all
    };
    said(&["run", &path(&recipe), "--out", &path(&run)]);
    for file in ["report.html", "summary.json", "history.csv", "recipe.recipe"] {
        assert!(is_plain(&fs::read_to_string(run.join(file)).unwrap()), "{file}");
    }
    assert!(fs::read_to_string(run.join("summary.json")).unwrap().contains("cat\\u202egpj"));
    said(&["plan", &path(&recipe)]);
    said(&["validate", &path(&run)]);
    said(&["show", &path(&recipe), "--out", &path(&page)]);
    assert!(is_plain(&fs::read_to_string(&page).unwrap()));
    for how in [None, Some("--json")] {
        let (run, test) = (path(&run), path(&test));
        let [shown, _] = said(&[&["predict", &run, &test][..], how.as_slice()].concat());
        assert!(shown.contains("x\\u2066y.jpg") && shown.contains("cat\\u202egpj"), "{shown}");
    }
    // A program joins the rows of a csv file with the files.
    fs::rename(scratch.path().join("test/@s.jpg"), scratch.path().join("test/new\nline.jpg")).unwrap();
    let rows = stdout(fastai(&scratch).args(["predict", "--csv", &path(&run), &path(&test)]));
    assert!(rows.contains("x\u{2066}y.jpg,") && rows.contains("/new\nline.jpg\","), "{rows}");
    assert!(rows.contains("cat\\u202egpj"), "{rows}");
    fs::rename(scratch.path().join("test/new\nline.jpg"), scratch.path().join("test/@s.jpg")).unwrap();
    #[cfg(target_os = "linux")]
    names_that_are_not_utf8_stay_apart(&scratch, &run, &test.join("-2.jpg"));

    let (run, test, out) = (path(&run), path(&test), path(&csv));
    let submit = ["submit", &run, "--images", &test, "--out", &out, "--quiet"];
    let message = stderr(fastai(&scratch).args(["submit", &run, "--images", "nope"]), 1);
    assert!(message.contains("there is no folder ") && message.contains("/nope: `--images`"), "{message}");
    let [_, notes] = said(&submit);
    assert!(notes.contains("\"=cmd|calc\", \"=1+1\", \"@s\"") && notes.contains("--guard-formulas"), "{notes}");
    let open = fs::read_to_string(&csv).unwrap();
    assert!(open.starts_with("id,=cmd|calc,a\\u001b[31mred,cat\\u202egpj\n") && open.contains("\n=1+1,"), "{open}");
    said(&[&submit[..], &["--guard-formulas"]].concat());
    let guarded = fs::read_to_string(&csv).unwrap();
    assert!(
        guarded.starts_with("id,'=cmd|calc,") && guarded.contains("\n'=1+1,") && guarded.contains("\n-2,"),
        "{guarded}"
    );
}

/// Two names that differ in a byte that is not UTF-8, and one that spells the escape of that byte.
#[cfg(target_os = "linux")]
fn names_that_are_not_utf8_stay_apart(scratch: &TempDir, run: &Path, image: &Path) {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = scratch.path().join("bytes");
    fs::create_dir(&folder).unwrap();
    for name in [&b"a\xe8.jpg"[..], b"a\xe9.jpg", b"a\\xe9.jpg"] {
        fs::copy(image, folder.join(OsStr::from_bytes(name))).unwrap();
    }
    let said = |form: &str| {
        let mut command = fastai(scratch);
        command.args(["predict", "-q", form]).arg(run).arg(&folder).assert().success().get_output().stdout.clone()
    };
    let lines = String::from_utf8(said("--jsonl")).unwrap();
    let files = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["file"].clone());
    let mut files: Vec<String> = files.map(|file| file.as_str().unwrap().rsplit_once('/').unwrap().1.into()).collect();
    files.sort();
    assert_eq!(files, ["a\\x5cxe9.jpg", "a\\xe8.jpg", "a\\xe9.jpg"]);
    let rows = said("--csv");
    for name in [&b"/a\xe8.jpg,"[..], b"/a\xe9.jpg,", b"/a\\xe9.jpg,"] {
        assert!(rows.windows(name.len()).any(|bytes| bytes == name), "{}", name.escape_ascii());
    }
}

#[test]
fn nothing_leads_out_of_a_run_folder_and_nothing_edited_is_believed() {
    let scratch = tempfile::tempdir().unwrap();
    let (recipe, run, test) = (recipe(&scratch), scratch.path().join("run"), scratch.path().join("test"));
    fastai(&scratch).arg("run").arg(&recipe).arg("--out").arg(&run).arg("-q").assert().success();
    let refused = |command: &str| {
        let mut call = fastai(&scratch);
        match command {
            "resume" => call.args(["run", "--resume"]).arg(&run),
            "predict" => call.arg(command).arg(&run).arg(&test),
            "submit" => call.arg(command).arg(&run).arg("--images").arg(&test),
            _ => call.arg(command).arg(&run),
        };
        stderr(&mut call, 1)
    };
    let summary = run.join("summary.json");
    let text = fs::read_to_string(&summary).unwrap();
    fs::write(&summary, text.replace("\"seed\": 42", "\"seed\": 43")).unwrap();
    for command in ["resume", "predict", "submit", "validate"] {
        let said = refused(command);
        assert!(said.contains("summary.json: ") && said.contains("damaged or was edited"), "{command}: {said}");
    }
    fs::write(&summary, &text).unwrap();

    #[cfg(unix)]
    {
        let (model, moved) = (run.join("models/final.safetensors"), scratch.path().join("moved"));
        fs::rename(&model, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &model).unwrap();
        for command in ["predict", "submit", "validate"] {
            let said = refused(command);
            assert!(said.contains("final.safetensors: a link to "), "{command}: {said}");
        }
        // The model itself can be named.
        fastai(&scratch).arg("predict").arg(&moved).arg(&test).assert().success();
    }
}

#[test]
fn a_recipe_beyond_the_limit_is_told_the_limit() {
    let scratch = tempfile::tempdir().unwrap();
    let large = scratch.path().join("large.recipe");
    fs::write(&large, " ".repeat(300_000)).unwrap();
    let said = stderr(fastai(&scratch).arg("check").arg(&large), 2);
    assert!(said.contains("large.recipe` is larger than 256 KiB: no recipe is"), "{said}");
}

/// Names that are no UTF-8 are names of files, too.
#[cfg(target_os = "linux")]
#[test]
fn files_with_any_name_are_read() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let scratch = TempDir::new().unwrap();
    let at = |name: &[u8]| scratch.path().join(OsStr::from_bytes(name));
    let (recipe, weights) = (at(b"a \xff.recipe"), at(b"w \xff.safetensors"));
    fs::copy(Path::new(ROOT).join("examples/quickstart.recipe"), &recipe).unwrap();
    fs::copy(Path::new(ROOT).join("examples/data/squeezenet1_1.safetensors"), &weights).unwrap();
    for command in [&["check"][..], &["check", "--json"], &["fmt", "--check"], &["plan"], &["cache", "why"]] {
        fastai(&scratch).args(command).arg(&recipe).assert().success();
    }
    assert!(stdout(fastai(&scratch).args(["weights", "info"]).arg(&weights)).contains("network: squeezenet1_1"));
    assert!(stderr(fastai(&scratch).args(["weights", "info"]).arg(at(b"\xff")), 2).contains("nor is it a file"));
}

//! `fastai show` as a user meets it: what it writes, what it says, how it ends.

use std::fs;
use std::path::{Path, PathBuf};

use crate::call::fastai;
use assert_cmd::Command;
use tempfile::TempDir;

/// The program in a folder of its own, with caches of its own.
fn show(scratch: &TempDir, args: &[&str]) -> Command {
    let mut command = fastai(scratch);
    command.current_dir(scratch.path()).arg("show").args(args);
    command
}

/// Exit code, standard output and standard error.
fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// One of the quickstart's chips, 64 x 64 pixels, at `path`.
fn picture(path: &Path, number: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let chips = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/globe/train-jpg");
    fs::copy(chips.join(format!("train_{number}.jpg")), path).unwrap();
}

/// Width and height as the header of a PNG file says.
fn sides(png: &Path) -> [u32; 2] {
    let bytes = fs::read(png).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
}

fn recipe(scratch: &TempDir, task: &str, data: &str, metrics: &str) -> PathBuf {
    let file = scratch.path().join("looked.recipe");
    let text = format!(
        "Looked {{ task: {task}, data: {data}, transforms: side_on {{ size: 32 }}, \
         model: squeezenet1_1 {{ weights: none }}, metrics: [{metrics}], train: {{ fit(0.01, 1); }}, }}"
    );
    fs::write(&file, text).unwrap();
    file
}

/// Cats and dogs in folders.
fn folders(scratch: &TempDir) -> PathBuf {
    for (i, class) in (0..).zip(["cats", "dogs", "cats", "dogs", "cats", "dogs", "cats", "dogs"]) {
        picture(&scratch.path().join(format!("data/train/{class}/{i}.jpg")), i);
    }
    picture(&scratch.path().join("data/valid/cats/20.jpg"), 20);
    picture(&scratch.path().join("data/valid/dogs/21.jpg"), 21);
    recipe(scratch, "single_label", "folders { root: \"data\", batch: 2 }", "accuracy")
}

/// Ten pictures and a csv file with what `label` says of each.
fn csv(scratch: &TempDir, task: &str, metrics: &str, label: impl Fn(u32) -> String) -> PathBuf {
    let mut rows = "name,what\n".to_string();
    for i in 0..10 {
        picture(&scratch.path().join(format!("data/img/p{i}.jpg")), i);
        rows += &format!("p{i},{}\n", label(i));
    }
    fs::write(scratch.path().join("data/list.csv"), rows).unwrap();
    let data = "csv { root: \"data\", labels: \"list.csv\", images: \"img\", suffix: \".jpg\", batch: 2 }";
    recipe(scratch, task, data, metrics)
}

#[test]
fn folders_become_a_page_and_a_picture_where_they_are_wanted() {
    let scratch = TempDir::new().unwrap();
    folders(&scratch);
    let (code, out, err) = output(&mut show(&scratch, &["looked.recipe"]));
    assert_eq!((code, out.as_str()), (0, "show.html\n"), "{err}");
    let page = fs::read_to_string(scratch.path().join("show.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("8 training, 2 validation"));
    assert!(page.contains("Validation: 2 images, width 64, height 64 pixels."));
    assert!(!scratch.path().join("show.png").exists());

    let (code, out, _) = output(&mut show(&scratch, &["looked.recipe", "-q", "--out", "look/at.html", "--png"]));
    assert_eq!((code, out.as_str()), (1, ""), "the folder must exist");
    fs::create_dir(scratch.path().join("look")).unwrap();
    let (code, out, err) = output(&mut show(&scratch, &["looked.recipe", "-q", "--out", "look/at.html", "--png"]));
    assert_eq!((code, out.as_str(), err.as_str()), (0, "look/at.html\nlook/at.png\n", ""));
    assert_eq!(sides(&scratch.path().join("look/at.png")), [3 * 128 + 8; 2]);

    let (code, _, err) = output(&mut show(&scratch, &["looked.recipe", "-q", "--png", "--set", "transforms.size=200"]));
    assert_eq!(code, 0, "{err}");
    assert_eq!(sides(&scratch.path().join("show.png")), [608; 2]);
}

#[test]
fn tags_and_numbers_have_their_own_pages() {
    let scratch = TempDir::new().unwrap();
    let tags = |i: u32| ["sea", "land", "sea land"][i as usize % 3].to_string();
    csv(&scratch, "multi_label", "f2", tags);
    assert_eq!(output(&mut show(&scratch, &["looked.recipe", "-q"])).0, 0);
    let page = fs::read_to_string(scratch.path().join("show.html")).unwrap();
    assert!(page.contains("<h2>Tags</h2>") && page.contains("+ sea") && page.contains("<td>sea land</td>"), "{page}");

    csv(&scratch, "regression", "", |i| format!("{}", f64::from(i) * 1.5 - 3.0));
    let (code, _, err) = output(&mut show(&scratch, &["looked.recipe", "-q"]));
    assert_eq!(code, 0, "{err}");
    let page = fs::read_to_string(scratch.path().join("show.html")).unwrap();
    assert!(page.contains("what, 8 training images") && page.contains("what, 2 validation images"), "{page}");
    assert_eq!(page.matches("data:image/jpeg").count(), 8);
    assert!(page.contains("<h2>Values</h2>") && !page.contains("<h2>Classes</h2>"));
}

#[test]
fn what_is_broken_is_on_the_page_and_ends_with_1() {
    let scratch = TempDir::new().unwrap();
    folders(&scratch);
    fs::write(scratch.path().join("data/train/cats/2.jpg"), "no image").unwrap();
    let (code, out, err) = output(&mut show(&scratch, &["looked.recipe", "-q", "--png"]));
    assert_eq!((code, out.as_str()), (1, "show.html\nshow.png\n"));
    assert!(err.contains("error: ") && err.contains("2.jpg: not an image"), "{err}");
    assert!(err.contains("1 of 10 images cannot be decoded"), "{err}");
    let page = fs::read_to_string(scratch.path().join("show.html")).unwrap();
    assert!(page.contains("2.jpg: not an image") && page.contains("9 images can be decoded"), "{page}");
    assert_eq!(page.matches("data:image/jpeg").count(), 7);

    let skipping = ["looked.recipe", "--set", "data.corrupt=skip"];
    let (code, _, err) = output(&mut show(&scratch, &skipping));
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("1 image cannot be decoded and is left out"), "{err}");

    // Nothing that could be shown.
    fs::remove_file(scratch.path().join("show.html")).unwrap();
    let (code, out, err) = output(&mut show(&scratch, &["looked.recipe", "-q", "--set", "data.root=nowhere"]));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("nowhere does not exist"), "{err}");
    assert!(!scratch.path().join("show.html").exists());
}

#[test]
fn a_command_or_a_recipe_that_is_wrong_ends_with_2() {
    let scratch = TempDir::new().unwrap();
    folders(&scratch);
    for (args, said) in [
        (&["no.recipe"][..], "no.recipe"),
        (&["looked.recipe", "--set", "transforms.size=0"], "`size` must be"),
        (&["looked.recipe", "--out", "page.png", "--png"], "give the page another name"),
        (&["looked.recipe", "--jpg"], "--jpg"),
    ] {
        let (code, out, err) = output(&mut show(&scratch, args));
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
    assert!(!scratch.path().join("page.png").exists() && !scratch.path().join("show.html").exists());
}

#[test]
fn a_reader_that_went_away_leaves_the_page() {
    let scratch = TempDir::new().unwrap();
    folders(&scratch);
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("fastai"));
    command
        .current_dir(scratch.path())
        .env("FASTAI_CACHE", scratch.path().join("cache"))
        .args(["show", "looked.recipe"]);
    let (out, err) = (std::io::pipe().unwrap().1, std::io::pipe().unwrap().1);
    let status = command.stdout(out).stderr(err).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(scratch.path().join("show.html").is_file());
}

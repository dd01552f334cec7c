//! Csv files as people have them: read right where they are unambiguous, else refused with the cause and the cure.

use super::*;
use fastai_dsl::Encoding;

/// A csv source with these keys changed.
fn source(change: impl FnOnce(&mut Source)) -> Source {
    let mut source = csv();
    change(&mut source);
    source
}

/// Ids and labels in columns 0 and 1.
fn positions(suffixes: &[&str]) -> Source {
    source(|source| {
        if let Source::Csv { id, label, suffix, .. } = source {
            (*id, *label) = (Column::Position(0), Column::Position(1));
            *suffix = suffixes.iter().map(|suffix| suffix.to_string()).collect();
        }
    })
}

fn open(root: &TempDir, source: Source, task: TaskKind) -> Result<Dataset, DataError> {
    Dataset::open(&data(root.path(), source, Valid::None), task)
}

fn findings(root: &TempDir, source: Source, task: TaskKind) -> Vec<String> {
    open(root, source, task).unwrap_err().texts().map(str::to_string).collect()
}

#[test]
fn a_row_with_more_cells_than_the_header_is_an_error() {
    let images = ["a.jpg", "b.jpg", "c.jpg"];
    let root = table("id,tags\na,clear,primary\nb,haze\nc,clear,,\n", &images);
    let found = findings(&root, positions(&[".jpg"]), TaskKind::MultiLabel);
    assert_eq!(found.len(), 1, "{found:#?}");
    for part in ["labels.csv:2: 3 cells, the header has 2", "`\"clear,primary\"`", "`separator: \",\"`"] {
        assert!(found[0].contains(part), "{part}: {}", found[0]);
    }
    // Surplus cells without content hold nothing that could be lost.
    let root = table("id,tags\na,clear\nb,haze\nc,clear,,\n", &images);
    assert_eq!(open(&root, positions(&[".jpg"]), TaskKind::MultiLabel).unwrap().train.len(), 3);
    // A header without the name of the first column.
    let root = table("id,label\n0,a,cat\n1,b,dog\n", &images);
    let found = findings(&root, positions(&[".jpg"]), TaskKind::SingleLabel);
    assert!(found[0].contains("does the header lack the name of the first column?"), "{found:#?}");
}

#[test]
fn a_first_row_that_names_an_image_is_no_header() {
    let root = table("a,cat\nb,dog\nc,cat\n", &["a.jpg", "b.jpg", "c.jpg"]);
    let found = findings(&root, positions(&[".jpg"]), TaskKind::SingleLabel);
    assert!(found[0].contains("labels.csv:1: the first row") && found[0].contains("`header: off`"), "{found:#?}");
    // And a header that is read as a row.
    let root = table("name,label\na,cat\nb,dog\n", &["a.jpg", "b.jpg"]);
    let mut off = positions(&[".jpg"]);
    if let Source::Csv { header, .. } = &mut off {
        *header = false;
    }
    let found = findings(&root, off, TaskKind::SingleLabel);
    assert!(found[0].contains("looks like a header: say `header: on`"), "{found:#?}");
}

fn with_columns(names: &[&str]) -> Source {
    source(|source| {
        if let Source::Csv { columns, .. } = source {
            *columns = names.iter().map(|name| Column::Name(name.to_string())).collect();
        }
    })
}

#[test]
fn columns_of_0_and_1_are_classes_or_tags() {
    let images = ["a.jpg", "b.jpg", "c.jpg"];
    let root = table("id,healthy,rust,scab\na,1,0,0\nb,0,1.0,0\nc,0,0,1\n", &images);
    let columns = || with_columns(&["healthy", "rust", "scab"]);
    let dataset = open(&root, columns(), TaskKind::SingleLabel).unwrap();
    assert_eq!(dataset.classes, ["healthy", "rust", "scab"]);
    assert_eq!(dataset.train[1].target, Target::Class(1));
    // One of them alone is noted.
    let mut alone = positions(&[".jpg"]);
    if let Source::Csv { label, .. } = &mut alone {
        *label = Column::Name("healthy".to_string());
    }
    let notes = open(&root, alone, TaskKind::SingleLabel).unwrap().notes;
    assert!(notes[0].contains("`columns: [\"healthy\", \"rust\", \"scab\"]`"), "{notes:#?}");

    let root = table("id,healthy,rust,scab\na,1,1,0\nb,0,,1\nc,,,\n", &images);
    let dataset = open(&root, columns(), TaskKind::MultiLabel).unwrap();
    assert_eq!(dataset.train[0].target, Target::Tags(vec![0, 1]));
    assert_eq!(dataset.train[2].target, Target::Tags(vec![]));
    let found = findings(&root, columns(), TaskKind::SingleLabel);
    assert!(found[0].contains("labels.csv:2: 2 of its columns hold a 1"), "{found:#?}");
    assert!(found[1].contains("labels.csv:4: none of its columns holds a 1"), "{found:#?}");
    let root = table("id,healthy,rust,scab\na,1,1,0\nb,0,maybe,1\nc,0,0,0\n", &images);
    let found = findings(&root, columns(), TaskKind::MultiLabel);
    assert!(found[0].contains("labels.csv:3: \"maybe\" in column \"rust\" is neither 0 nor 1"), "{found:#?}");
}

#[test]
fn columns_of_text_hold_a_tag_each() {
    let root = table("id,first,second\na,sea,land\nb,land,\nc,,\n", &["a.jpg", "b.jpg", "c.jpg"]);
    let dataset = open(&root, with_columns(&["first", "second"]), TaskKind::MultiLabel).unwrap();
    assert_eq!(dataset.classes, ["land", "sea"]);
    assert_eq!(dataset.train[0].target, Target::Tags(vec![0, 1]));
    let found = findings(&root, with_columns(&["first", "second"]), TaskKind::SingleLabel);
    assert!(found[0].contains("columns of text hold tags: `task: multi_label`"), "{found:#?}");
}

#[test]
fn two_columns_of_one_name_are_ambiguous() {
    let root = table("id,label,label\na,x,y\nb,y,x\n", &["a.jpg", "b.jpg"]);
    let found = findings(&root, csv(), TaskKind::SingleLabel);
    assert!(found[0].contains("2 columns are called \"label\"") && found[0].ends_with("1 or 2"), "{found:#?}");
}

#[test]
fn a_separator_that_never_occurs_and_classes_alike_are_noted() {
    let root = table("id,label\na,sea;land\nb,Land\nc,land\n", &["a.jpg", "b.jpg", "c.jpg"]);
    let notes = open(&root, csv(), TaskKind::MultiLabel).unwrap().notes;
    assert!(notes[0].contains("1 of 3 labels hold \";\"") && notes[0].contains("`separator: \";\"`"), "{notes:#?}");
    assert!(notes[1].contains("\"Land\" and \"land\""), "{notes:#?}");
}

#[test]
fn other_delimiters_and_encodings_are_named_and_read() {
    let images = ["a.jpg", "b.jpg"];
    for (text, expected) in [
        ("id;label\na;x\nb;y\n", "the cells are parted by \";\", not by \",\": say `delimiter: \";\"`"),
        ("id\tlabel\na\tx\nb\ty\n", "say `delimiter: \"\\t\"`"),
        ("# made by a tool\nid,label\na,x\nb,y\n", "the first line is a comment"),
    ] {
        for source in [positions(&[".jpg"]), csv()] {
            let found = findings(&table(text, &images), source, TaskKind::SingleLabel);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:#?}");
        }
    }
    let said = |delimiter: char, encoding: Encoding| {
        source(|source| {
            if let Source::Csv { delimiter: own, encoding: own_encoding, .. } = source {
                (*own, *own_encoding) = (delimiter, encoding);
            }
        })
    };
    let root = table("id;label\na;x,1\nb;y\n", &images);
    assert_eq!(open(&root, said(';', Encoding::Utf8), TaskKind::SingleLabel).unwrap().classes, ["x,1", "y"]);
    let wide: Vec<u8> = "\u{feff}id,label\na,é\nb,y\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let root = table(wide, &images);
    assert_eq!(open(&root, said(',', Encoding::Utf16), TaskKind::SingleLabel).unwrap().classes, ["y", "é"]);
    let error = open(&root, csv(), TaskKind::SingleLabel).unwrap_err();
    assert!(error.findings[0].text.contains("this is UTF-16: save it as UTF-8"), "{error}");
    assert!(error.notes.is_empty(), "images without a row mean nothing then: {error}");
    // Of an even or an odd number of bytes: the encoding alone is wrong, whatever its characters would say.
    let others: [(&[u8], &str); 4] = [
        (b"id,label\na,x\nb,yy\n", "but UTF-8: leave `encoding` out"),
        (b"id,label\na,x\nb,y\n", "but UTF-8: leave `encoding` out"),
        (b"id,label\na,caf\xe9\nb,y\n", "or say `encoding: latin1`"),
        (b"id,label\na,caf\xe9\nb,yy\n", "or say `encoding: latin1`"),
    ];
    for (text, instead) in others {
        let found = findings(&table(text, &images), said(',', Encoding::Utf16), TaskKind::SingleLabel);
        assert!(found.len() == 1 && found[0].contains("this is no UTF-16, as `encoding` says, "), "{found:#?}");
        assert!(found[0].ends_with(instead), "{found:#?}");
    }
    let root = table(b"id,label\na,caf\xe9\nb,y\n", &images);
    assert_eq!(open(&root, said(',', Encoding::Latin1), TaskKind::SingleLabel).unwrap().classes, ["café", "y"]);
    let found = findings(&root, csv(), TaskKind::SingleLabel);
    assert!(found[0].contains("labels.csv:2: this line is not UTF-8"), "{found:#?}");
    let found = findings(&table(b"PK\x03\x04labels.csv", &images), csv(), TaskKind::SingleLabel);
    assert!(found[0].contains("this is a zip archive, no csv file: unpack it"), "{found:#?}");
}

/// The only finding about these ids, whose images are these files.
fn missing(ids: &[&str], files: &[&str], suffixes: &[&str]) -> String {
    let rows: String = ids.iter().enumerate().map(|(i, id)| format!("{id},{}\n", ["x", "y"][i % 2])).collect();
    let found = findings(&table(format!("id,label\n{rows}"), files), positions(suffixes), TaskKind::SingleLabel);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

#[test]
fn rows_are_named_by_their_line_with_any_line_end_and_after_empty_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let text = "id,label\na,x\n\nb,y\nnope,x\n".replace('\n', end);
        let found = findings(&table(text, &["a.jpg", "b.jpg"]), positions(&[".jpg"]), TaskKind::SingleLabel);
        assert!(found.len() == 1 && found[0].contains("labels.csv:5: no image"), "{end:?}: {found:#?}");
    }
    // The row before one that cannot be read.
    let found = findings(&table(b"id,label\na\n\xe9,y\n", &["a.jpg"]), positions(&[".jpg"]), TaskKind::SingleLabel);
    assert!(found.iter().any(|text| text.contains("labels.csv:2: 1 cell")), "{found:#?}");
}

#[test]
fn rows_without_their_image_are_one_finding_with_what_is_there() {
    let files = ["a.jpg", "b.jpg", "c.jpg"];
    for (ids, files, suffixes, expected) in [
        (
            ["a", "b", "c"],
            ["a.JPG", "b.JPG", "c.JPG"],
            &[".jpg"][..],
            "but \"a.JPG\" is there; and so in 2 more rows (lines 3, 4): say `suffix: \".JPG\"`",
        ),
        (["a.jpg", "b.jpg", "c.jpg"], files, &[".jpg"], "the names hold their suffix already: say `suffix: \"\"`"),
        (["a", "b", "c"], files, &[""], "say `suffix: \".jpg\"`"),
        (["a", "b", "c"], ["a.png", "b.png", "c.jpeg"], &[".jpg"], "say `suffix: [\".png\", \".jpeg\"]`"),
        ([" a", " b", " c"], files, &[".jpg"], "there are blanks around the names"),
        (["'a'", "'b'", "'c'"], files, &[".jpg"], "the names stand in ' quotes"),
        (["A", "B", "C"], files, &[".jpg"], "upper and lower case differ"),
        (["img/a", "img/b", "img/c"], files, &[".jpg"], "say `images: \".\"`"),
        (["0.0", "1.0", "2.0"], ["0.jpg", "1.jpg", "2.jpg"], &[".jpg"], "(pandas: `astype(int)`)"),
        (["1", "2", "3"], ["001.jpg", "002.jpg", "003.jpg"], &[".jpg"], "lost their zeros"),
        (["x\\a.jpg", "x\\b.jpg", "y\\c.jpg"], ["x/a.jpg", "x/b.jpg", "y/c.jpg"], &[""], "write `/` instead of `\\`"),
        (
            ["C:\\u\\x\\a.jpg", "C:\\u\\x\\b.jpg", "C:\\u\\x\\c.jpg"],
            ["x/a.jpg", "x/b.jpg", "x/c.jpg"],
            &[""],
            "take the start, \"C:/u/\", out of the names",
        ),
        (["a", "b", "c"], ["x/a.jpg", "x/b.jpg", "y/c.jpg"], &[".jpg"], "write the folder's name before the image's"),
        (["k", "l", "m"], files, &[".jpg"], "no image"),
    ] {
        let found = missing(&ids, &files, suffixes);
        assert!(found.contains("labels.csv:2: no image") && found.contains(expected), "{expected}\nis not in\n{found}");
    }
    let root = table("id,label\n/data/img/a.jpg,x\n/data/img/b.jpg,y\n", &files);
    let found = findings(&root, positions(&[""]), TaskKind::SingleLabel);
    assert!(found[0].contains("leads out of the folder of images, but \"a.jpg\" is there"), "{found:#?}");
    let root = table(",name,label\n0,a,x\n1,b,y\n2,c,x\n", &files);
    let mut indexed = positions(&[".jpg"]);
    if let Source::Csv { label, .. } = &mut indexed {
        *label = Column::Position(2);
    }
    let found = findings(&root, indexed, TaskKind::SingleLabel);
    assert!(found.len() == 1 && found[0].contains("say `id: 1`"), "{found:#?}");
}

#[test]
fn names_in_another_unicode_form_and_several_suffixes_are_found() {
    // Decomposed, as a Mac stores it; the table has the composed form.
    let root = table("id,label\ncaf\u{e9},x\nb,y\n", &["cafe\u{301}.jpg", "b.png"]);
    let dataset = open(&root, positions(&[".jpg", ".png"]), TaskKind::SingleLabel).unwrap();
    assert_eq!(dataset.train.len(), 2);
    assert!(dataset.notes[0].contains("another Unicode form"), "{:?}", dataset.notes);
}

#[test]
fn a_first_row_like_the_others_is_no_header() {
    for (text, task, expected) in [
        // Its image is missing, but its label is not.
        ("z,cat\na,cat\nb,dog\n", TaskKind::SingleLabel, "its label, \"cat\", is that of 1 other row"),
        ("z,sea land\na,sea\nb,land\n", TaskKind::MultiLabel, "its tags, \"sea land\", are those of other rows"),
        ("z,2.5\na,1\nb,3\n", TaskKind::Regression, "its label, \"2.5\", is a number"),
        ("z.jpg,x\na,cat\nb,dog\n", TaskKind::SingleLabel, "\"z.jpg\", is the name of an image file"),
    ] {
        let found = findings(&table(text, &["a.jpg", "b.jpg"]), positions(&[".jpg"]), task);
        let whole = format!("{expected}: say `header: off`");
        assert!(found.len() == 1 && found[0].contains(&whole), "{expected}: {found:#?}");
    }
    let root = table("z,1,0\na,1,0\nb,0,1\n", &["a.jpg", "b.jpg"]);
    let columns = source(|source| {
        if let Source::Csv { id, columns, .. } = source {
            (*id, *columns) = (Column::Position(0), vec![Column::Position(1), Column::Position(2)]);
        }
    });
    let found = findings(&root, columns, TaskKind::SingleLabel);
    assert!(found[0].contains("its labels are 0 and 1: say `header: off`"), "{found:#?}");
    // Whoever names the columns has seen the header.
    assert!(open(&table("id,label\na,label\nb,dog\n", &["a.jpg", "b.jpg"]), csv(), TaskKind::SingleLabel).is_ok());
    // The header once more, where files were joined.
    let root = table("id,label\na,x\nb,y\nid,label\nc,x\n", &["a.jpg", "b.jpg", "c.jpg"]);
    let found = findings(&root, csv(), TaskKind::SingleLabel);
    assert!(found.len() == 1 && found[0].contains("labels.csv:4: the header again"), "{found:#?}");
}

#[test]
fn rows_with_one_fault_are_one_finding() {
    let names: Vec<String> = (0..30).map(|i| format!("{i}.jpg")).collect();
    for (row, task, expected) in [
        (
            "{i},x,more",
            TaskKind::SingleLabel,
            "3 cells, the header has 2; and so in 28 more rows (lines 4, 5, 6, 7, 8, ..)",
        ),
        ("{i}", TaskKind::SingleLabel, "1 cell, expected at least 2; and so in 28 more rows"),
        ("{i},", TaskKind::SingleLabel, "the label is empty; single_label needs exactly one; and so in 28 more rows"),
        ("{i}, y", TaskKind::SingleLabel, "white space around the label \" y\""),
        ("{i},word", TaskKind::Regression, "the label \"word\" is no finite number; and so in 28 more rows"),
        ("/far/away/{i},y", TaskKind::SingleLabel, "but \"1.jpg\" is there; and so in 28 more rows"),
        ("../img/{i},y", TaskKind::SingleLabel, "take the start, \"../img/\", out of the names"),
        ("/far/away/x{i},y", TaskKind::SingleLabel, "leads out of the folder of images; and so in 28 more rows"),
    ] {
        let rows: String = (1..30).map(|i| row.replace("{i}", &i.to_string()) + "\n").collect();
        let label = if task == TaskKind::Regression { "1" } else { "x" };
        let root = table(format!("id,label\n0,{label}\n{rows}"), &names);
        let found = findings(&root, positions(&[".jpg"]), task);
        assert!(found[0].contains("labels.csv:3: ") && found[0].contains(expected), "{expected}: {found:#?}");
        let like = found.iter().filter(|finding| finding.contains("labels.csv:")).count();
        assert_eq!(like, 1, "{found:#?}");
    }
}

#[test]
fn names_in_other_notations_are_found() {
    let files = ["a b.jpg", "1000.jpg", "c.jpg"];
    for (ids, expected) in [
        (["a%20b", "a%20b.jpg", "c"], "the names are encoded as in an address"),
        (["\"1,000\"", "1000", "c"], "the names were saved as numbers with commas"),
        (["\u{200b}c", "1000", "c"], "there are invisible characters in the names"),
        (
            ["https://example.com/x/c.jpg?size=2", "1000", "c"],
            "keep only what comes after the last `/`, and say `suffix: [\".jpg\", \"\"]`",
        ),
        (["1.00000E+11", "1000", "c"], "a spreadsheet took the names for numbers"),
        (["c;x;1", "1000;y;2", "c;x;3"], "say `delimiter: \";\"`"),
        (["photo_1", "photo_2", "photo_3"], "the folder's first images are \"1000.jpg\", \"a b.jpg\", \"c.jpg\""),
    ] {
        let rows: String = ids.iter().zip(["x", "y", "x"]).map(|(id, label)| format!("{id},{label}\n")).collect();
        let found = findings(&table(format!("id,label\n{rows}"), &files), positions(&[".jpg"]), TaskKind::SingleLabel);
        assert!(found[0].contains("labels.csv:2: no image") && found[0].contains(expected), "{expected}: {found:#?}");
    }
    // Another column, for many rows, and the labels in that of the names.
    let names: Vec<String> = (0..3000).map(|i| format!("{i}.jpg")).collect();
    let rows: String = (0..3000).map(|i| format!("{},{i}\n", ["cat", "dog"][i % 2])).collect();
    let found = findings(&table(format!("label,id\n{rows}"), &names), positions(&[".jpg"]), TaskKind::SingleLabel);
    assert!(found[0].contains("say `id: 1, label: 0`") && found[0].contains("1999 more rows"), "{found:#?}");
    assert!(found.len() == 2 && found[1].contains("1000 more rows have no image"), "{found:#?}");
}

#[test]
fn tags_that_are_written_otherwise_are_named() {
    let images = ["a.jpg", "b.jpg", "c.jpg"];
    for (cells, expected) in [
        (
            ["\"['sea', 'land']\"", "\"['sea']\"", "[]"],
            "the label \"['sea', 'land']\" is written as a list; and so in 2 more",
        ),
        (
            ["\"sea, land\"", "sea", "land"],
            "the tag \"sea,\" ends with \",\": if tags are parted by \", \", say `separator: \", \"`",
        ),
        (["sea; land", "sea", "land"], "say `separator: \"; \"`"),
    ] {
        let rows: String = ["a", "b", "c"].iter().zip(cells).map(|(id, cell)| format!("{id},{cell}\n")).collect();
        let found = findings(&table(format!("id,tags\n{rows}"), &images), positions(&[".jpg"]), TaskKind::MultiLabel);
        assert!(found[0].contains("labels.csv:2: ") && found[0].contains(expected), "{expected}: {found:#?}");
    }
    let note = |text: &str, task| {
        let notes = open(&table(text, &images), positions(&[".jpg"]), task).unwrap().notes;
        notes.join("\n")
    };
    let said = note("id,tags\na,sea|open water\nb,sea land\nc,land\n", TaskKind::MultiLabel);
    assert!(said.contains("tags are parted by \" \", but 1 of 3 labels hold \"|\""), "{said}");
    let said = note("id,tag1,tag2\na,sea,land\nb,land,\nc,sea,\n", TaskKind::MultiLabel);
    assert!(said.contains("say `columns: [\"tag1\", \"tag2\"]` instead of `label`"), "{said}");
    let said = note("id,label,label2\na,sea,land\nb,land,\nc,sea,\n", TaskKind::SingleLabel);
    assert!(said.contains("`task: multi_label` and `columns: [\"label\", \"label2\"]`"), "{said}");
    let said = note("id,sick,well\na,yes,no\nb,no,yes\nc,yes,no\n", TaskKind::SingleLabel);
    assert!(said.contains("`columns: [\"sick\", \"well\"]` instead of `label`"), "{said}");
    let said = note("id,effusion\na,Mass|Nodule\nb,Mass\nc,Nodule\n", TaskKind::SingleLabel);
    assert!(said.contains("1 class name joins other classes' by \"|\""), "{said}");
}

#[test]
fn marks_in_columns_are_read_and_unsure_ones_refused() {
    let images = ["a.jpg", "b.jpg", "c.jpg"];
    let columns = || with_columns(&["sick", "well"]);
    for text in ["id,sick,well\na,x,\nb,,X\nc,x,\n", "id,sick,well\na,Yes,No\nb,no,yes\nc,y,n\n"] {
        let dataset = open(&table(text, &images), columns(), TaskKind::SingleLabel).unwrap();
        assert_eq!(dataset.classes, ["sick", "well"]);
        assert_eq!(dataset.train[1].target, Target::Class(1));
    }
    for text in ["id,sick,well\na,-1,1\nb,0,1\nc,1,-1\n", "id,sick,well\na,0.3,1\nb,0,1\nc,1,0.7\n"] {
        let found = findings(&table(text, &images), columns(), TaskKind::MultiLabel);
        assert!(found.len() == 1 && found[0].contains("decide what an unsure label is"), "{found:#?}");
    }
}

#[test]
fn labels_that_are_all_different_and_files_that_are_no_tables_are_named() {
    let names: Vec<String> = (0..12).map(|i| format!("{i}.jpg")).collect();
    let rows: String = (0..12).map(|i| format!("{i},{},{}\n", 640 + i, ["cat", "dog"][i % 2])).collect();
    let root = table(format!("id,width,breed\n{rows}"), &names);
    let valid = Valid::Stratified { share: 0.25, seed: 42, fold: 0 };
    let error = Dataset::open(&data(root.path(), positions(&[".jpg"]), valid), TaskKind::SingleLabel).unwrap_err();
    assert!(error.findings[0].text.contains("each image is the only one of its class"), "{error}");
    assert!(error.to_string().contains("no two labels in column \"width\" are equal"), "{error}");
    assert!(error.to_string().contains("`label: \"breed\"`"), "{error}");
    for (text, expected) in [
        ("sep=,\nid,label\na,x\n", "the first line, \"sep=,\", is meant for Excel: take it out"),
        ("sep=;\nid;label\na;x\n", "take it out, and say `delimiter: \";\"`"),
        ("\"id,label\"\n\"a,x\"\n", "quotes stand around the whole line \"id,label\""),
        ("a x\nb y\n", "say `delimiter: \" \"`"),
        ("<!DOCTYPE html>\n<title>Sign in</title>\n", "this is a web page or XML, no csv file"),
        ("[\n {\"id\": \"a\"}]\n", "this is JSON, no csv file"),
        ("version https://git-lfs.github.com/spec/v1\n", "this is a pointer of Git LFS, no csv file: fetch"),
    ] {
        let error = open(&table(text, &["a.jpg"]), positions(&[".jpg"]), TaskKind::SingleLabel).unwrap_err();
        assert!(error.findings.len() == 1 && error.findings[0].text.contains(expected), "{expected}: {error}");
        assert!(error.notes.is_empty(), "{error}");
    }
}

#[test]
fn what_is_not_read_because_of_an_error_is_not_said_of_the_others() {
    let images = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"];
    for (text, expected) in [
        // The first row names the only dog.
        ("a,dog\nb,cat\nc,cat\nd,cat\n", "the first row is read as a header"),
        // The dogs are in the rows that have too many cells.
        ("id,label\na,cat\nb,dog,brown\nc,dog,black\nd,cat\n", "labels.csv:3: 3 cells, the header has 2"),
        ("id,label\na,cat\nb\nc,cat\nd,cat\n", "labels.csv:3: 1 cell, expected at least 2"),
        ("id,label\na,cat\nb,\nc,cat\nd,cat\n", "labels.csv:3: the label is empty"),
        ("id,label\na,cat\nb,cat\nc,cat\n../x/d,dog\n", "labels.csv:5: the image name \"../x/d\" leads out"),
        ("id,label\n", "labels.csv: no rows"),
    ] {
        let root = table(text, &images);
        std::fs::write(root.path().join("list.txt"), "b\nc\nd\n").unwrap();
        std::fs::create_dir_all(root.path().join("test/dog")).unwrap();
        std::fs::write(root.path().join("test/dog/1.jpg"), "").unwrap();
        let lists = [Valid::Indices("list.txt".to_string()), Valid::Rows(vec![0, 3])];
        for valid in [Valid::None, RANDOM].into_iter().chain(lists) {
            let mut data = data(root.path(), positions(&[".jpg"]), valid.clone());
            data.test = Some("test".to_string());
            let error = single(&data).unwrap_err();
            assert!(
                error.findings.len() == 1 && error.findings[0].text.contains(expected),
                "{valid}: {expected}: {error}"
            );
            assert!(error.notes.is_empty(), "{valid}: {error}");
        }
    }
}

#[test]
fn an_image_with_several_labels_is_noted_with_its_lines() {
    let images = ["a.jpg", "b.jpg"];
    let notes = |text: &str, task| -> Vec<String> {
        let root = table(text, &images);
        let notes = open(&root, positions(&[".jpg"]), task).unwrap().notes;
        notes.iter().map(|note| note.replace(&format!("{}/", root.path().display()), "")).collect()
    };
    let stands = "labels.csv: 1 image stands in more than one row; all rows are kept, on the side of the first: \"a\"";
    let said = notes("id,label\na,cat\nb,dog\na,cat\n./a,dog\n", TaskKind::SingleLabel);
    let differs = "labels.csv: 1 image has not the same label in all rows: \"a\" has \"cat\" in line 2 and \"dog\" in \
                   line 5; keep the row that is right";
    assert_eq!(said, [stands, differs]);
    // The row that is right.
    assert!(notes("id,label\nb,dog\na,cat\n", TaskKind::SingleLabel).iter().all(|note| !note.contains("same label")));
    assert_eq!(notes("id,label\na,cat\nb,dog\na,cat\n", TaskKind::SingleLabel), [stands]);
    let said = notes("id,label\na,1\nb,2\na,1.5\nb,3\n", TaskKind::Regression);
    assert!(said[0].contains("2 images stand in more than one row") && said[1].contains("2 images have"), "{said:#?}");
    assert!(said[1].contains("\"a\" has \"1\" in line 2 and \"1.5\" in line 4; \"b\" has"), "{said:#?}");
    // The order of tags says nothing.
    assert_eq!(notes("id,tags\na,x y\nb,y\na,y x\n", TaskKind::MultiLabel), [stands]);
    let said = notes("id,tags\na,x\nb,y\na,\n", TaskKind::MultiLabel);
    assert!(said[1].contains("\"a\" has \"x\" in line 2 and no label in line 4; write the tags of"), "{said:#?}");
}

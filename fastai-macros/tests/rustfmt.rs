//! `recipe!( .. );` is an expression that rustfmt formats, comments kept; `recipe! { .. }` is left alone.

use std::io::Write;
use std::process::{Command, Stdio};

fn rustfmt(text: &str) -> String {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rustfmt is part of the pinned toolchain");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

const UGLY: &str = r#"recipe!( Cats { task:single_label, data: folders{root:"d",batch :32}, transforms: side_on { size:224 }, // square
 model: squeezenet1_1{dropout:0.5}, metrics:[accuracy], train: { precompute( on ); let lr=lr_find(or=1e-2); fit(lr,2); for size in [64,128] { resize(size); fit([lr/9,lr/3,lr],1,cycle_len=1); } }, } );
"#;

const PRETTY: &str = r#"recipe!(Cats {
    task: single_label,
    data: folders { root: "d", batch: 32 },
    transforms: side_on { size: 224 }, // square
    model: squeezenet1_1 { dropout: 0.5 },
    metrics: [accuracy],
    train: {
        precompute(on);
        let lr = lr_find(or = 1e-2);
        fit(lr, 2);
        for size in [64, 128] {
            resize(size);
            fit([lr / 9, lr / 3, lr], 1, cycle_len = 1);
        }
    },
});
"#;

#[test]
fn parentheses_are_formatted() {
    assert_eq!(rustfmt(UGLY), PRETTY);
    assert_eq!(rustfmt(PRETTY), PRETTY);
}

#[test]
fn braces_are_left_alone() {
    let braces = "recipe! { pub Cats { task:single_label,  train: {fit( 1e-2,3 ) ;} } }\n";
    assert_eq!(rustfmt(braces), braces);
}

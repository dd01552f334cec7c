//! Data sets that a program gives.

use super::*;

#[test]
fn files_and_labels_from_rust() {
    let root = rows(&[("a", "x", ""), ("b", "y", ""), ("c", "x", ""), ("d", "y", "")]);
    let file = |name: &str| root.path().join(format!("img/{name}.jpg"));
    let files = [(file("c"), "x"), (file("a"), "y"), (file("b"), "y"), (file("d"), "x")];
    let dataset = Dataset::from_files(files.clone(), &Valid::Random { share: 0.5, seed: 42, fold: 0 }).unwrap();
    assert_eq!((dataset.task, dataset.root.as_path()), (TaskKind::SingleLabel, root.path().join("img").as_path()));
    assert_eq!(dataset.classes, ["x", "y"]);
    // numpy's permutation(4) under seed 42 is 1 3 0 2.
    assert_eq!((ids(&dataset.train), ids(&dataset.valid)), (vec!["c.jpg", "b.jpg"], vec!["a.jpg", "d.jpg"]));
    let tags = |t: &[&str]| Label::from(t);
    let parts = Dataset::from_parts([(file("a"), tags(&["s", "r", "s"]))], [(file("b"), tags(&[]))]).unwrap();
    assert_eq!((parts.task, parts.classes.len()), (TaskKind::MultiLabel, 2));
    assert_eq!((&parts.train[0].target, &parts.valid[0].target), (&Target::Tags(vec![0, 1]), &Target::Tags(vec![])));
    let numbers = Dataset::from_files([(file("a"), 0.1f32), (file("b"), -3.0)], &Valid::None).unwrap();
    assert_eq!((numbers.task, &numbers.train[0].target), (TaskKind::Regression, &Target::Value(0.1)));
    let tested = numbers.with_test([file("d")]).unwrap();
    assert_eq!((tested.test[0].id.as_str(), &tested.test[0].target), ("d", &Target::Unlabelled));
    assert!(tested.with_test([file("z")]).unwrap_err().findings[0].text.starts_with("no image "));

    let error = Dataset::from_parts(files[..3].to_vec(), files[2..].to_vec()).unwrap_err();
    assert!(error.findings[0].text.ends_with("b.jpg is given both to train and to measure"), "{error}");
    let error = Dataset::from_parts(files[..3].to_vec(), [(file("d"), "z")]).unwrap_err();
    assert!(error.findings[0].text.contains("\"z\""), "{error}");
    let none = Dataset::from_files(Vec::<(String, String)>::new(), &Valid::None).unwrap_err().to_string();
    assert!(none.contains("no images are given"), "{none}");
}

#[test]
fn images_in_memory_are_written_once() {
    let folder = TempDir::new().unwrap();
    let image = |grey: u8| image::RgbImage::from_pixel(6, 4, image::Rgb([grey; 3]));
    let images = || [(image(1), "x"), (image(2), "y"), (image(1), "x")];
    let dataset = Dataset::from_images(folder.path().join("made"), images(), &Valid::None).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("made")).unwrap().count(), 2);
    assert_eq!(crate::decode(&dataset.train[1].path).unwrap(), image(2));
    assert_eq!(dataset.train[0].path, dataset.train[2].path);
    let again = Dataset::from_images(folder.path().join("made"), images(), &Valid::None).unwrap();
    assert_eq!(dataset.train, again.train);
    let empty = [(image(1), "x"), (image::RgbImage::new(0, 0), "y")];
    let error = Dataset::from_images(folder.path().join("empty"), empty, &Valid::None).unwrap_err();
    assert!(error.findings[0].text.starts_with("image 1: 0 x 0 pixels"), "{error}");
    let parts = |valid: u8, label: &str| {
        Dataset::from_image_parts(folder.path().join("parts"), images(), [(image(valid), label)])
    };
    let dataset = parts(3, "y").unwrap();
    assert_eq!((dataset.train.len(), dataset.valid.len(), dataset.classes.len()), (3, 1, 2));
    assert_eq!(crate::decode(&dataset.valid[0].path).unwrap(), image(3));
    // What is in both parts is there twice, which preflight sees.
    let twice = parts(1, "x").unwrap();
    assert_ne!(twice.valid[0].path, twice.train[0].path);
    let error = parts(3, "z").unwrap_err();
    assert!(error.findings[0].text.contains("\"z\""), "{error}");
}

//! JSON.md as tables of types, and how it differs from documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::call::ROOT;

/// One of the types that a field may have.
#[derive(Debug)]
enum Kind {
    Any,
    Text,
    Integer,
    Number,
    Boolean,
    Null,
    Absent,
    /// The fields have rows of their own.
    Object,
    /// A list; of what is stated here, or in the row of the elements.
    List(Option<Box<Kind>>),
    /// The object that another section describes.
    Section(String),
}

impl Kind {
    /// Reads `integer`, `list of numbers`, `[Score](#score)`.
    fn read(text: &str) -> Kind {
        if let Some(items) = text.strip_prefix("list of ").or_else(|| text.strip_prefix("lists of ")) {
            return Kind::List(Some(Box::new(Kind::read(items))));
        }
        if let Some((name, anchor)) = text.strip_prefix('[').and_then(|link| link.split_once("](#")) {
            assert_eq!(anchor, format!("{})", name.to_lowercase()), "a link that leads nowhere");
            return Kind::Section(name.to_string());
        }
        match text.strip_suffix('s').unwrap_or(text) {
            "any" => Kind::Any,
            "string" => Kind::Text,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            "null" => Kind::Null,
            "absent" => Kind::Absent,
            "object" => Kind::Object,
            "list" => Kind::List(None),
            other => panic!("JSON.md has no type {other:?}"),
        }
    }

    fn is_of(&self, value: &Value) -> bool {
        match self {
            Kind::Any => true,
            Kind::Text => value.is_string(),
            Kind::Integer => value.is_i64() || value.is_u64(),
            Kind::Number => value.is_number(),
            Kind::Boolean => value.is_boolean(),
            Kind::Null => value.is_null(),
            Kind::Absent => false,
            Kind::Object | Kind::Section(_) => value.is_object(),
            Kind::List(_) => value.is_array(),
        }
    }
}

/// A row of a table: the path of a field, `files[].error`, and its types.
struct Row {
    field: String,
    kinds: Vec<Kind>,
}

impl Row {
    /// The path of the object that the field is in, and its name there; none of the elements of a list.
    fn place(&self) -> Option<(&str, &str)> {
        let place = self.field.rsplit_once('.').unwrap_or(("", &self.field));
        (!place.1.ends_with("[]")).then_some(place)
    }
}

pub struct JsonPage {
    /// The tables, by the titles of their sections.
    tables: BTreeMap<String, Rc<[Row]>>,
    /// Examples that leave nothing out, with the titles of their sections.
    examples: Vec<(String, Value)>,
    /// Section, field and type, by its place, of what occurred.
    seen: BTreeSet<(String, String, usize)>,
    /// How documents differ from the page.
    differences: BTreeSet<String>,
}

impl JsonPage {
    pub fn read() -> Self {
        let text = fs::read_to_string(Path::new(ROOT).join("JSON.md")).unwrap();
        let (mut tables, mut examples) = (BTreeMap::new(), Vec::new());
        for section in text.split("\n## ").flat_map(|chapter| chapter.split("\n### ")).skip(1) {
            let (title, body) = section.split_once('\n').unwrap();
            let rows = body.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
            let rows = rows.map(|(field, rest)| {
                let kinds = rest.split(" | ").next().unwrap().split(" or ").map(Kind::read).collect();
                Row { field: field.to_string(), kinds }
            });
            assert!(tables.insert(title.to_string(), rows.collect()).is_none(), "two sections {title}");
            let example = body.split_once("```json\n").and_then(|(_, code)| code.split_once("\n```"));
            if let Some((example, _)) = example.filter(|(example, _)| !example.contains("..")) {
                let value = serde_json::from_str(example).unwrap_or_else(|why| panic!("the example of {title}: {why}"));
                examples.push((title.to_string(), value));
            }
        }
        JsonPage { tables, examples, seen: BTreeSet::new(), differences: BTreeSet::new() }
    }

    /// Compares the page's examples with its tables.
    pub fn compare_examples(&mut self) {
        assert!(self.examples.len() >= 5, "whole examples");
        for (title, example) in std::mem::take(&mut self.examples) {
            self.compare(&title, &example);
        }
        self.seen.clear();
    }

    /// Compares a document with the section of that title.
    pub fn compare(&mut self, title: &str, document: &Value) {
        let object = document.as_object().unwrap_or_else(|| panic!("{title}: {document}"));
        self.object(title, "", object);
    }

    fn object(&mut self, title: &str, path: &str, object: &Map<String, Value>) {
        let rows = self.tables.get(title).unwrap_or_else(|| panic!("no section {title}")).clone();
        let own = rows.iter().filter_map(|row| Some((row, row.place().filter(|(parent, _)| *parent == path)?.1)));
        let mut unknown: BTreeSet<&str> = object.keys().map(String::as_str).collect();
        for (row, name) in own {
            if name.starts_with('<') {
                object.values().for_each(|value| self.value(title, &row.field, &row.kinds, value));
                unknown.clear();
            } else if let Some(value) = object.get(name) {
                self.value(title, &row.field, &row.kinds, value);
                unknown.remove(name);
            } else if !row.kinds.iter().any(|kind| matches!(kind, Kind::Absent)) {
                self.differences.insert(format!("{title}: `{}` is absent", row.field));
            }
        }
        let at = if path.is_empty() { String::new() } else { format!("{path}.") };
        self.differences.extend(unknown.iter().map(|name| format!("{title}: `{at}{name}` is not on the page")));
    }

    fn value(&mut self, title: &str, field: &str, kinds: &[Kind], value: &Value) {
        let Some(place) = kinds.iter().position(|kind| kind.is_of(value)) else {
            self.differences.insert(format!("{title}: `{field}` is {value}, and the page says {kinds:?}"));
            return;
        };
        self.seen.insert((title.to_string(), field.to_string(), place));
        match (&kinds[place], value) {
            (Kind::Object, Value::Object(object)) => self.object(title, field, object),
            (Kind::Section(other), Value::Object(object)) => self.object(other, "", object),
            (Kind::List(of), Value::Array(elements)) => {
                let (rows, field) = (self.tables[title].clone(), format!("{field}[]"));
                let of: &[Kind] = match of {
                    Some(kind) => std::slice::from_ref(kind.as_ref()),
                    None => {
                        &rows.iter().find(|row| row.field == field).unwrap_or_else(|| panic!("no row {field}")).kinds
                    }
                };
                elements.iter().for_each(|element| self.value(title, &field, of, element));
            }
            _ => {}
        }
    }

    /// What documents had that the page does not say, and what it says that no document had, each type of a field for itself;
    /// `except` are those fields that may not occur.
    pub fn differences(mut self, except: impl Fn(&str, &str) -> bool) -> Vec<String> {
        for (title, rows) in &self.tables {
            for row in rows.iter().filter(|row| !except(title, &row.field)) {
                for (place, kind) in
                    row.kinds.iter().enumerate().filter(|(_, k)| !matches!(k, Kind::Null | Kind::Absent))
                {
                    if !self.seen.contains(&(title.clone(), row.field.clone(), place)) {
                        self.differences.insert(format!("{title}: `{}` was never {kind:?}", row.field));
                    }
                }
            }
        }
        self.differences.into_iter().collect()
    }
}

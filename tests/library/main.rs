//! The facade as a program uses it: recipes as types and as files, runs, images that a program supplies.

#[path = "../program/call.rs"]
mod call;
mod classes;
mod examples;
mod given;
mod own;
mod quickstart;
mod scenes;
mod typed;

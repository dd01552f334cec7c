//! Which of a file's values is the state dictionary.

use super::arena::{Arena, Id, PickleNode};
use super::{TensorFileError, shown};

/// Where training scripts put the weights of what they save, first choice first.
const KEYS: [&str; 10] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "module",
    "weights",
    "params",
    "state_dict_ema",
];
/// How deep such keys are followed.
const MAX_DEPTH: usize = 4;

/// The tensors of the state dictionary, which is the root or under a known key: name and index.
pub(super) fn tensors(arena: &Arena, root: Id) -> Result<Vec<(&str, u32)>, TensorFileError> {
    let mut at = root;
    for _ in 0..MAX_DEPTH {
        let PickleNode::Dict(entries) = arena.node(at) else { break };
        let under = KEYS.iter().find_map(|key| {
            let (_, value) = entries.iter().find(|(k, v)| arena.text(*k) == Some(key) && is_dict(arena, *v))?;
            Some(*value)
        });
        match under {
            Some(value) => at = value,
            None => break,
        }
    }
    if arena.is_foreign(at) {
        return Err(arena
            .foreign()
            .unwrap_or_else(|| TensorFileError::new("holds an object and not a dictionary of tensors")));
    }
    let PickleNode::Dict(entries) = arena.node(at) else {
        return Err(TensorFileError::new(format!("holds {} and not a dictionary of tensors", kind(arena.node(at)))));
    };
    let tensors: Vec<(&str, u32)> = entries
        .iter()
        .filter_map(|(key, value)| match arena.node(*value) {
            PickleNode::Tensor(tensor) => Some((arena.text(*key)?, *tensor)),
            _ => None,
        })
        .collect();
    if tensors.is_empty() {
        if let Some(refused) = arena.foreign() {
            return Err(refused);
        }
        let mut keys: Vec<String> =
            entries.iter().filter_map(|(key, _)| arena.text(*key)).take(5).map(|k| format!("`{}`", shown(k))).collect();
        if entries.len() > keys.len() {
            keys.push(format!("{} more", entries.len() - keys.len()));
        }
        return Err(TensorFileError::new(format!(
            "no tensors where weights are looked for (the dictionary itself, or under {}); its keys are {}",
            KEYS.map(|k| format!("`{k}`")).join(", "),
            if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
        )));
    }
    Ok(tensors)
}

fn is_dict(arena: &Arena, id: Id) -> bool {
    matches!(arena.node(id), PickleNode::Dict(_))
}

fn kind(node: &PickleNode) -> &'static str {
    match node {
        PickleNode::None => "nothing",
        PickleNode::Bool(_) | PickleNode::Int(_) | PickleNode::Float => "a number",
        PickleNode::Text(_) => "a text",
        PickleNode::List(_) | PickleNode::Tuple(_) => "a list",
        PickleNode::Dict(_) => "a dictionary",
        PickleNode::Global(_) => "a class",
        PickleNode::Storage { .. } => "a storage",
        PickleNode::Tensor(_) => "a single tensor",
        PickleNode::Foreign => "an object",
    }
}

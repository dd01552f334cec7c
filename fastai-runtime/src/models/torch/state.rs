//! Which of a file's values is the state dictionary.

use super::graph::{Graph, Id, Node};
use super::{TorchError, shown};

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
pub(super) fn tensors(graph: &Graph, root: Id) -> Result<Vec<(&str, u32)>, TorchError> {
    let mut at = root;
    for _ in 0..MAX_DEPTH {
        let Node::Dict(entries) = graph.node(at) else { break };
        let under = KEYS.iter().find_map(|key| {
            let (_, value) = entries.iter().find(|(k, v)| graph.text(*k) == Some(key) && is_dict(graph, *v))?;
            Some(*value)
        });
        match under {
            Some(value) => at = value,
            None => break,
        }
    }
    let Node::Dict(entries) = graph.node(at) else {
        return Err(TorchError(format!("holds {} and not a dictionary of tensors", kind(graph.node(at)))));
    };
    let tensors: Vec<(&str, u32)> = entries
        .iter()
        .filter_map(|(key, value)| match graph.node(*value) {
            Node::Tensor(tensor) => Some((graph.text(*key)?, *tensor)),
            _ => None,
        })
        .collect();
    if tensors.is_empty() {
        let mut keys: Vec<String> =
            entries.iter().filter_map(|(key, _)| graph.text(*key)).take(5).map(|k| format!("`{}`", shown(k))).collect();
        if entries.len() > keys.len() {
            keys.push(format!("{} more", entries.len() - keys.len()));
        }
        return Err(TorchError(format!(
            "no tensors where weights are looked for (the dictionary itself, or under {}); its keys are {}",
            KEYS.map(|k| format!("`{k}`")).join(", "),
            if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
        )));
    }
    Ok(tensors)
}

fn is_dict(graph: &Graph, id: Id) -> bool {
    matches!(graph.node(id), Node::Dict(_))
}

fn kind(node: &Node) -> &'static str {
    match node {
        Node::None => "nothing",
        Node::Bool(_) | Node::Int(_) | Node::Float => "a number",
        Node::Text(_) => "a text",
        Node::List(_) | Node::Tuple(_) => "a list",
        Node::Dict(_) => "a dictionary",
        Node::Global(_) => "a class",
        Node::Storage { .. } => "a storage",
        Node::Tensor(_) => "a single tensor",
    }
}

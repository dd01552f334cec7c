//! Describes a network's layers without building it.

use fastai_dsl::arch::graph::{Graph, Node, UnitSpec};
use fastai_dsl::arch::unit::{ConvSpec, NormSpec, PoolArgs};

use super::facts;

/// One layer of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRow {
    /// Published name of the convolution, of a norm alone, or nothing for a pool.
    pub name: String,
    /// A description, such as `conv 3x3 / 2, 32 groups, norm`.
    pub kind: String,
    /// Layer group, counted from the input; a pool belongs to the group of the layer before it.
    pub group: usize,
    /// Channels, height and width of its output.
    pub output: [usize; 3],
    /// Trainable parameters, including those of its norm.
    pub parameters: u64,
    /// Multiply-adds for one image. By convention only convolutions count, not norms, activations and pools.
    pub multiply_adds: u64,
}

/// Returns the layers of the body of `arch` for one square image with a side of `size` pixels, in execution order.
///
/// # Panics
/// If `arch` is unknown, or the image is smaller than the architecture allows.
pub fn describe(arch: &str, size: usize) -> Vec<LayerRow> {
    describe_cut(arch, 0, size)
}

/// Like [`describe`], without the body's last `cut` modules.
///
/// # Panics
/// Those of [`describe`], and if there are fewer modules.
pub fn describe_cut(arch: &str, cut: u32, size: usize) -> Vec<LayerRow> {
    LayerRows::of(&facts(arch).blueprint().body.without_last(cut as usize), [3, size, size]).0
}

/// Returns the layers of the published classifier of `arch`, which follow those of [`describe`].
///
/// # Panics
/// Those of [`describe`].
pub fn describe_top(arch: &str, size: usize) -> Vec<LayerRow> {
    let blueprint = facts(arch).blueprint();
    let (_, map) = LayerRows::of(&blueprint.body, [3, size, size]);
    LayerRows::of(&blueprint.top, map).0
}

/// Returns channels, height and width of the body's output for a square image with a side of `size` pixels.
///
/// # Panics
/// Those of [`describe`].
pub fn map_sides(arch: &str, size: usize) -> [usize; 3] {
    LayerRows::of(&facts(arch).blueprint().body, [3, size, size]).1
}

struct LayerRows<'a> {
    units: &'a [UnitSpec],
    rows: Vec<LayerRow>,
}

impl LayerRows<'_> {
    /// Returns the rows and the dimensions of the output.
    fn of(graph: &Graph, input: [usize; 3]) -> (Vec<LayerRow>, [usize; 3]) {
        let mut rows = LayerRows { units: &graph.units, rows: Vec::new() };
        let output = rows.add(&graph.root, input);
        (rows.rows, output)
    }

    /// Channels, height and width after the node.
    fn add(&mut self, node: &Node, input: [usize; 3]) -> [usize; 3] {
        let [channels, height, width] = input;
        match node {
            Node::Unit(number) => self.unit(*number, input),
            Node::Chain(nodes) => nodes.iter().fold(input, |at, node| self.add(node, at)),
            Node::Residual { branch, last, shortcut, .. } => {
                let at = branch.iter().fold(input, |at, node| self.add(node, at));
                let output = self.unit(*last, at);
                self.add(shortcut, input);
                output
            }
            Node::Concat(nodes) => {
                let outputs: Vec<_> = nodes.iter().map(|node| self.add(node, input)).collect();
                let channels = outputs.iter().map(|o| o[0]).sum();
                outputs.first().map_or(input, |o| [channels, o[1], o[2]])
            }
            Node::MaxPool(args) => self.pool("max pool", *args, input),
            Node::AvgPool(args) => self.pool("average pool", *args, input),
            Node::AdaptiveAvg(side) => {
                let output = [channels, *side, *side];
                self.plain(format!("average pool to {side}x{side}"), output)
            }
            Node::Activate(_) => input,
            Node::Gate(gate) => {
                self.add(gate, [channels, 1, 1]);
                [channels, height, width]
            }
        }
    }

    fn pool(&mut self, what: &str, args: PoolArgs, [channels, height, width]: [usize; 3]) -> [usize; 3] {
        let PoolArgs { kernel, stride, .. } = args;
        let output = [channels, args.windows(height), args.windows(width)];
        self.plain(format!("{what} {kernel}x{kernel} / {stride}"), output)
    }

    fn plain(&mut self, kind: String, output: [usize; 3]) -> [usize; 3] {
        let group = self.rows.last().map_or(0, |row| row.group);
        self.rows.push(LayerRow { name: String::new(), kind, group, output, parameters: 0, multiply_adds: 0 });
        output
    }

    fn unit(&mut self, number: usize, [channels, height, width]: [usize; 3]) -> [usize; 3] {
        let unit = &self.units[number];
        let spec = &unit.spec;
        debug_assert_eq!(channels, spec.input, "{}", unit.name());
        let (kind, [height, width]) = match unit.conv {
            Some(_) => (kind(spec), spec.output_side([height, width])),
            None => (norm(spec).to_owned(), [height, width]),
        };
        let output = [spec.output, height, width];
        self.rows.push(LayerRow {
            name: unit.name().to_owned(),
            kind,
            group: unit.group,
            output,
            parameters: unit.parameters(),
            multiply_adds: unit.weights() * (height * width) as u64,
        });
        output
    }
}

fn kind(spec: &ConvSpec) -> String {
    let [height, width] = spec.kernel;
    let mut text = format!("conv {height}x{width}");
    if spec.stride > 1 {
        text += &format!(" / {}", spec.stride);
    }
    match spec.groups {
        1 => {}
        groups if groups == spec.input => text += ", depthwise",
        groups => text += &format!(", {groups} groups"),
    }
    match norm(spec) {
        "" => {}
        norm => text += &format!(", {norm}"),
    }
    text
}

fn norm(spec: &ConvSpec) -> &'static str {
    match spec.norm {
        Some(NormSpec::Batch { .. }) => "norm",
        Some(NormSpec::Layer { .. }) => "layer norm",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(arch: &str, size: usize) -> (u64, u64) {
        let rows: Vec<LayerRow> = describe(arch, size).into_iter().chain(describe_top(arch, size)).collect();
        (rows.iter().map(|r| r.parameters).sum(), rows.iter().map(|r| r.multiply_adds).sum())
    }

    /// Parameters and billions of multiply-adds that torchvision publishes with its weights.
    #[test]
    fn totals_are_torchvisions() {
        for (arch, parameters, billions) in [
            ("resnet18", 11_689_512, 1.814),
            ("resnet50", 25_557_032, 4.089),
            ("resnext101_64x4d", 83_455_272, 15.46),
            ("wide_resnet50_2", 68_883_240, 11.398),
            ("vgg16_bn", 138_365_992, 15.47),
            ("densenet161", 28_681_000, 7.728),
            ("mobilenet_v2", 3_504_872, 0.301),
            ("mobilenet_v3_large", 5_483_032, 0.217),
            ("efficientnet_b0", 5_288_548, 0.386),
            ("convnext_tiny", 28_589_128, 4.456),
        ] {
            let (p, m) = total(arch, 224);
            assert_eq!(p, parameters, "{arch}");
            assert!((m as f64 / 1e9 - billions).abs() < 0.006, "{arch}: {m}");
        }
        // Here torchvision counts the image that its own transform leaves, 224 px, too.
        assert_eq!(total("squeezenet1_1", 224).0, 1_235_496);
    }
}

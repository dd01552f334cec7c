//! Gates.

use fastai_kernels::MapShape;
use fastai_kernels::gate::{gate, gate_gradient};

use crate::{Owned, assert_near, everywhere, on_threads};

#[test]
fn gates_and_their_gradients() {
    everywhere(30, |isa, random| {
        let shape = MapShape {
            batch: random.between(1, 3),
            height: random.between(1, 20),
            width: random.between(1, 30),
            channels: random.between(1, 150),
        };
        let small = MapShape { height: 1, width: 1, ..shape };
        let (x, gates, dy) = (random.map(shape), random.map(small), random.map(shape));
        let (before, small_before, in_place) = (random.map(shape), random.map(small), random.chance());
        let got = on_threads(|| {
            let mut y = if in_place { x.clone() } else { before.clone() };
            gate(isa, (!in_place).then_some(x.map()), gates.map(), &mut y.map_mut());
            y.assert_gaps(if in_place { &x } else { &before });
            y.dense()
        });
        let wanted = Owned::tabulate(shape, |n, y, x_at, c| x.at(n, y, x_at, c) * gates.at(n, 0, 0, c));
        assert_near(&got, &wanted, 1e-6, isa.name());
        let got = on_threads(|| {
            let mut dx = if in_place { dy.clone() } else { before.clone() };
            let mut dgate = small_before.clone();
            let dy = (!in_place).then_some(dy.map());
            gate_gradient(isa, x.map(), gates.map(), dy, &mut dx.map_mut(), &mut dgate.map_mut());
            dgate.assert_gaps(&small_before);
            [dx.dense(), dgate.dense()].concat()
        });
        let mut wanted = Owned::tabulate(shape, |n, y, x_at, c| dy.at(n, y, x_at, c) * gates.at(n, 0, 0, c));
        wanted.extend(Owned::tabulate(small, |n, _, _, c| {
            let pixels = (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x)));
            pixels.map(|(y, x_at)| dy.at(n, y, x_at, c) * x.at(n, y, x_at, c)).sum()
        }));
        assert_near(&got, &wanted, 1e-5, isa.name());
    });
}

//! Layouts.

use fastai_kernels::{MapShape, layout};

use crate::{everywhere, on_threads};

#[test]
fn planes_and_back() {
    everywhere(30, |_, random| {
        let shape = MapShape {
            batch: random.between(1, 3),
            height: random.between(1, 20),
            width: random.between(1, 30),
            channels: random.one_of(&[1, 2, 3, 4, 5, 16, 40, 130]),
        };
        let map = random.map(shape);
        let planes = on_threads(|| {
            let mut planes = vec![0.0; shape.numbers()];
            layout::to_planes(map.map(), &mut planes);
            planes
        });
        let mut number = 0;
        for image in 0..shape.batch {
            for channel in 0..shape.channels {
                for (y, x) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x))) {
                    assert_eq!(f64::from(planes[number]), map.at(image, y, x, channel));
                    number += 1;
                }
            }
        }
        let back = on_threads(|| {
            let mut back = vec![0.0; shape.numbers()];
            layout::from_planes(&planes, shape, &mut back);
            back
        });
        assert_eq!(back, map.dense());
        let more = random.map(shape);
        let sum = on_threads(|| {
            let mut sum = more.clone();
            layout::add(map.map(), &mut sum.map_mut());
            sum.assert_gaps(&more);
            sum.dense()
        });
        let wanted: Vec<f32> = map.dense().iter().zip(more.dense()).map(|(a, b)| b + a).collect();
        assert_eq!(sum, wanted);
        let copy = on_threads(|| {
            let mut copy = more.clone();
            layout::copy(map.map(), &mut copy.map_mut());
            copy.assert_gaps(&more);
            copy.dense()
        });
        assert_eq!(copy, map.dense());
    });
}

//! The classes of ImageNet's 2012 challenge, which published classifiers distinguish.

/// English names of the 1000 classes, in the order of the logits. From torchvision; see NOTICE.
pub fn imagenet_classes() -> Vec<&'static str> {
    include_str!("imagenet_classes.txt").lines().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_thousand_in_the_usual_order() {
        let classes = imagenet_classes();
        assert_eq!(classes.len(), 1000);
        for (index, name) in [(0, "tench"), (281, "tabby"), (483, "castle"), (999, "toilet tissue")] {
            assert_eq!(classes[index], name);
        }
    }
}

"""Find the answer inside what a model wrote. Knows text only: no mathematics, no policy but how to read boxes.

What is read, in this order: an `<answer>` element; the last boxes; what the text announces ("the answer is", in six
languages, `announcements.yaml`); the whole text, if it is an answer and no prose; the one value that the closing
sentence states. Text that states no value, or more than one, has no answer. Every step takes linear time.
"""

from factory.verify.extract.boxes import boxes, extract_answer
from factory.verify.extract.joined import Joined
from factory.verify.extract.reading import answer_of

__all__ = ["Joined", "answer_of", "boxes", "extract_answer"]

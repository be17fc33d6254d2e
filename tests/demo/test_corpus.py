from demo.corpus import LANGUAGES, load_corpus

CORPUS = load_corpus()


def test_there_are_twelve_languages_in_several_scripts() -> None:
    passages = {passage.language for passage in CORPUS.passages}
    assert passages == {query.language for query in CORPUS.queries} == set(LANGUAGES)
    assert len(passages) == 12
    written = "".join(passage.text for passage in CORPUS.passages)
    for letter in "aшم火한क":  # Latin, Cyrillic, Arabic, Han, Hangul, Devanagari
        assert letter in written


def test_a_query_has_one_passage_in_its_language_and_one_in_another() -> None:
    for query in CORPUS.queries:
        languages = [passage.language for passage in CORPUS.passages if passage.topic == query.topic]
        assert len(languages) == 2
        assert languages.count(query.language) == 1


def test_texts_are_whole_and_different() -> None:
    texts = [text.text for text in (*CORPUS.passages, *CORPUS.queries)] + list(CORPUS.document.chunks)
    assert len(set(texts)) == len(texts)
    assert all(text == text.strip() and text[-1] in ".?。؟!？।" for text in texts)


def test_the_document_is_long_and_its_answers_hide_their_subject() -> None:
    assert sum(len(chunk.split()) for chunk in CORPUS.document.chunks) > 600
    for query in CORPUS.document.queries:
        assert "lighthouse" in query.text
        assert "lighthouse" not in CORPUS.document.chunks[query.chunk]

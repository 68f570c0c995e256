// Hears every answer of the server. Gradio closes its stream when no answer is due, and one that is asked for
// at that moment is sent to nobody: the next thing asked for would open the stream again, so one is.
(() => {
  const due = new Set(); // ids of what was asked for and is not answered
  const fetched = window.fetch;

  const hear = async (body) => {
    const parts = body.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "", closed = false;
    try {
      for (let part = await parts.read(); !part.done; part = await parts.read()) {
        const lines = (heard + part.value).split("\n");
        heard = lines.pop();
        for (const line of lines.filter((line) => line.startsWith("data:"))) {
          const { msg, event_id } = JSON.parse(line.slice(5));
          if (msg === "process_completed") due.delete(event_id);
          closed ||= msg === "close_stream";
        }
      }
    } catch {
      // The page ends a stream as soon as it is told that nothing is due.
    }
    if (!closed || !due.size) return;
    due.clear();
    document.getElementById("hear").click();
  };

  window.fetch = async (...asked) => {
    const answer = await fetched(...asked);
    const address = String(asked[0]?.url ?? asked[0]);
    if (answer.ok && address.includes("/queue/join")) due.add((await answer.clone().json()).event_id);
    if (answer.ok && address.includes("/queue/data")) hear(answer.clone().body);
    return answer;
  };
})();

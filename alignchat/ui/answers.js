// Hears every answer of the server. Gradio closes its stream when no answer is due, and one that is asked for
// at that moment is sent to nobody: the next thing asked for would open the stream again, so one is.
(() => {
  const PATIENCE = 100; // milliseconds that Gradio has to open a stream by itself
  const due = new Set(); // ids of what was asked for and is not answered
  const early = new Set(); // ids of what was answered before it was known to have been asked for
  const fetched = window.fetch;
  let streams = 0;

  const look = () =>
    setTimeout(() => {
      if (streams || !due.size) return;
      due.clear();
      document.getElementById("hear").click();
    }, PATIENCE);

  const hear = async (body) => {
    const parts = body.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "";
    for (let part = await parts.read(); !part.done; part = await parts.read()) {
      const lines = (heard + part.value).split("\n");
      heard = lines.pop();
      for (const line of lines.filter((line) => line.startsWith("data:"))) {
        const { msg, event_id } = JSON.parse(line.slice(5));
        if (msg === "process_completed" && !due.delete(event_id)) early.add(event_id);
      }
    }
  };

  const stream = async (asked) => {
    streams += 1;
    let ended = Promise.resolve();
    try {
      const answer = await fetched(...asked);
      if (answer.ok) ended = hear(answer.clone().body);
      return answer;
    } finally {
      ended
        .catch((error) => error.name === "AbortError" || due.clear()) // Else the connection is lost, as Gradio says.
        .then(() => { streams -= 1; look(); });
    }
  };

  window.fetch = async (...asked) => {
    const address = String(asked[0]?.url ?? asked[0]);
    if (address.includes("/queue/data")) return stream(asked);
    const answer = await fetched(...asked);
    if (answer.ok && address.includes("/queue/join")) {
      const { event_id } = await answer.clone().json();
      if (!early.delete(event_id)) due.add(event_id);
      look();
    }
    return answer;
  };
})();

package leat;

import io.elastic.api.ExecutionParameters;
import io.elastic.api.Function;
import io.elastic.api.JSON;
import io.elastic.api.Message;

/** The first step of a polling flow. */
public class Tick implements Function {
    @Override
    public void execute(final ExecutionParameters parameters) {
        parameters.getEventEmitter().emitData(new Message.Builder().body(JSON.parseObject("{\"ticked\":true}")).build());
    }
}
